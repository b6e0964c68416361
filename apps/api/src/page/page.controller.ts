import { Controller, Get, Header, Inject } from '@nestjs/common';
import { API_SETTINGS } from '../api.tokens.js';
import type { ApiSettings } from '../api-settings.js';
import { renderPage } from './page.js';

/** A page for people: drop a file, watch its job. */
@Controller()
export class PageController {
  private readonly html: string;

  constructor(@Inject(API_SETTINGS) settings: ApiSettings) {
    this.html = renderPage(settings.maxBytes);
  }

  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  @Header('Cache-Control', 'no-cache')
  page(): string {
    return this.html;
  }
}
