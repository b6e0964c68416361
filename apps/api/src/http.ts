import type { NestApplicationOptions } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { CONTENT_SECURITY_POLICY } from './page/page.js';

/** How every HTTP app of this repository is created, in production and in tests. */
export const HTTP_OPTIONS = {
  // Documents are streamed to disk; a parser would read them into memory first.
  bodyParser: false,
  // A client that never hangs up must not keep the process from ending.
  forceCloseConnections: true,
  // While running jobs end no new document is taken.
  return503OnClosing: true,
} satisfies NestApplicationOptions;

export function configureHttp(app: NestExpressApplication): void {
  app.useSecurityHeaders({
    contentSecurityPolicy: { useDefaults: false, directives: CONTENT_SECURITY_POLICY },
    // Served as plain HTTP; a proxy that adds TLS adds this header as well.
    strictTransportSecurity: false,
  });
  // Any page in a browser on this machine can reach a local server: only our own page may change something.
  app.enableCsrfProtection();
}
