// Packs the library as npm would publish it and tries every entry point in an empty project: from ES modules, from
// CommonJS and from TypeScript, with and without the optional peers. Then it writes applications from pages of the
// documentation alone, in an empty folder, compiles them in strict mode and runs them.
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bin, capture, root } from './lib/child.mjs';
import { checkNode, ensureInstalled } from './lib/ensure.mjs';
import { appOfPage, linesOf, runExample, writeApp } from './lib/page-app.mjs';

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const entries = Object.keys(manifest.exports)
  .filter((key) => key !== './package.json')
  .map((key) => key.replace(/^\./, manifest.name));
/** The optional peers that an entry point needs by itself. */
const NEEDS = {
  nestjs: ['@nestjs/common', '@nestjs/core'],
  'nestjs/prometheus': ['@nestjs/common', 'prom-client'],
  'nestjs/terminus': ['@nestjs/common', '@nestjs/terminus'],
  'nestjs/testing': ['@nestjs/common'],
  opentelemetry: ['@opentelemetry/api'],
  prometheus: ['prom-client'],
};
/** And those that only its types need. */
const TYPES_NEED = { 'nestjs/testing': ['@nestjs/testing'] };
const nameOf = (entry) => entry.slice(manifest.name.length + 1);

/** Each one adds to what those before it installed. */
const SCENARIOS = [
  { name: 'bare', install: ['@types/node'] },
  { name: 'with Nest', install: ['@nestjs/common', '@nestjs/core', 'reflect-metadata', 'rxjs'] },
  { name: 'with Nest, ioredis and pg', install: ['ioredis', 'pg', '@types/pg'] },
  {
    name: 'with every peer',
    install: ['@nestjs/platform-express', '@nestjs/terminus', '@nestjs/testing', '@opentelemetry/api', 'prom-client'],
  },
];
const installed = new Set();
const missing = (entry) => (NEEDS[nameOf(entry)] ?? []).filter((name) => !installed.has(name));
const loads = (entry) => missing(entry).length === 0;
const hasTypes = (entry) => loads(entry) && (TYPES_NEED[nameOf(entry)] ?? []).every((name) => installed.has(name));
const PUBLISHED = /^(dist\/lib\/.+\.(js|d\.ts)|package\.json|README\.md|LICENSE|CHANGELOG\.md)$/;
const FLAVOURS = { esm: 'module', cjs: 'commonjs' };

const probe = (load) => `
  const results = {};
  for (const entry of JSON.parse(process.argv[2])) {
    try {
      ${load};
      results[entry] = 'loads';
    } catch (error) {
      results[entry] = \`\${error.code}: \${error.message}\`;
    }
  }
  console.log(JSON.stringify(results));
`;

const counts = { passed: 0, failed: 0 };
function check(what, problem) {
  counts[problem ? 'failed' : 'passed'] += 1;
  if (problem) console.log(`FAIL ${what}\n${String(problem).replace(/^/gm, '     ')}`);
}

async function must(command, args, options) {
  const { code, output } = await capture(command, args, options);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} exited with ${code}\n${output}`);
  return output;
}

const { dependencies, devDependencies, peerDependencies } = manifest;
const wanted = (name) => dependencies[name] ?? devDependencies[name] ?? peerDependencies[name] ?? 'latest';
const install = (project, packages) =>
  must('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', ...packages], { cwd: project });

function prepare(project) {
  writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true }));
  for (const [flavour, type] of Object.entries(FLAVOURS)) {
    mkdirSync(join(project, flavour));
    writeFileSync(join(project, flavour, 'package.json'), JSON.stringify({ private: true, type }));
  }
  writeFileSync(join(project, 'esm', 'probe.js'), probe('await import(entry)'));
  writeFileSync(join(project, 'cjs', 'probe.js'), probe('require(entry)'));
}

function checkFiles(project) {
  const folder = join(project, 'node_modules', manifest.name);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
  check('only the library is published', files.filter((file) => !PUBLISHED.test(file)).join('\n'));
  const mapped = files.filter(
    (file) => file.endsWith('.js') && /sourceMappingURL/.test(readFileSync(join(folder, file))),
  );
  check('no file names a source map that is not published', mapped.join('\n'));
}

async function checkLoading(project, { name }, flavour) {
  // Those that load come first: after a require() that failed half-way Node 20 fails at modules which that had reached.
  const ordered = entries.toSorted((a, b) => Number(loads(b)) - Number(loads(a)));
  const { code, output } = await capture(process.execPath, ['probe.js', JSON.stringify(ordered)], {
    cwd: join(project, flavour),
    timeout: 10_000,
  });
  check(
    `${name}, ${flavour}: the process ends when everything is loaded`,
    code === 0 ? '' : `exit code ${code}\n${output}`,
  );
  if (code !== 0) return;
  const results = JSON.parse(output.split('\n').at(-1));
  for (const entry of entries) {
    const result = results[entry];
    const absent = missing(entry).join('|');
    const refusal = new RegExp(`^(ERR_MODULE|MODULE)_NOT_FOUND: .*(${absent})`);
    const asExpected = loads(entry) ? result === 'loads' : refusal.test(result);
    const expected = loads(entry) ? 'loads' : `fails and names what is missing (${absent})`;
    check(`${name}, ${flavour}: ${entry} ${expected}`, asExpected ? '' : result);
  }
}

/** Our own declarations must hold with `skipLibCheck: false`; those of other packages are not ours to judge. */
async function checkTypes(project, { name }) {
  const imports = entries
    .filter(hasTypes)
    .map((entry, n) => `import * as e${n} from '${entry}';\nexport const t${n} = e${n};`);
  for (const flavour of Object.keys(FLAVOURS)) writeFileSync(join(project, flavour, 'consumer.ts'), imports.join('\n'));
  const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2023', '--types', 'node'];
  const files = Object.keys(FLAVOURS).map((flavour) => `${flavour}/consumer.ts`);
  const { code, output } = await capture(bin('tsc'), [...options, '--pretty', 'false', ...files], { cwd: project });
  const ours = output
    .split('\n')
    .filter((line) => !line.startsWith('node_modules/') || line.includes(`/${manifest.name}/`));
  check(`${name}: types`, code === 0 ? '' : ours.filter((line) => /error TS/.test(line)).join('\n'));
}

/** The pages whose applications are tried. The first one says how to begin; the others add what they import. */
const PAGES = {
  'docs/nestjs.md': [],
  'docs/nestjs-handlers.md': ['class-transformer', 'class-validator', 'zod'],
  'docs/testing.md': ['@nestjs/testing'],
  'docs/migrating-from-nestjs-bullmq.md': [],
  'docs/health.md': ['@nestjs/platform-express', '@nestjs/terminus'],
  'docs/observability.md': [
    ...['@opentelemetry/api', '@opentelemetry/context-async-hooks', '@opentelemetry/core', 'nestjs-cls', 'prom-client'],
    ...['@opentelemetry/sdk-metrics', '@opentelemetry/sdk-trace-base'],
  ],
};

/** In an empty folder, with the commands of the first page, the package in place of its name. */
async function checkPages(temp, tarball) {
  const folder = join(temp, 'app');
  mkdirSync(folder);
  const quiet = { npm_config_prefer_offline: 'true', npm_config_audit: 'false', npm_config_fund: 'false' };
  const options = { cwd: folder, env: { ...process.env, ...quiet } };
  for (const [page, packages] of Object.entries(PAGES)) {
    const app = appOfPage(readFileSync(join(root, page), 'utf8'));
    const isFirst = page === Object.keys(PAGES)[0];
    for (const line of isFirst ? app.commands : []) {
      await must('sh', ['-c', line.replaceAll(` ${manifest.name} `, ` '${tarball}' `)], options);
    }
    if (packages.length > 0) {
      await install(
        folder,
        packages.map((name) => `${name}@${wanted(name)}`),
      );
    }
    writeApp({ ...app, tsconfig: isFirst ? app.tsconfig : '' }, folder);
    await checkPage(page, app, options);
  }
}

async function checkPage(page, { examples }, options) {
  const { code, output } = await capture('npx', ['--no-install', 'tsc', '--pretty', 'false'], options);
  check(`${page}: an application of its examples compiles in strict mode`, code === 0 ? '' : output);
  if (code !== 0) return;
  const running = examples.filter(({ runs }) => runs);
  check(`${page}: there are examples to run`, running.length > 0 ? '' : 'none');
  for (const example of running) {
    const script = join('dist', example.file.replace(/\.ts$/, '.js'));
    const lines = linesOf(example, examples);
    check(`${page}: ${example.file} runs and ends`, await runExample(script, lines, options.cwd));
  }
}

async function checkPackage(temp) {
  await must('npm', ['pack', '--pack-destination', temp]);
  const tarball = join(
    temp,
    readdirSync(temp).find((name) => name.endsWith('.tgz')),
  );
  const project = join(temp, 'project');
  mkdirSync(project);
  prepare(project);
  await install(project, [tarball]);
  checkFiles(project);
  for (const scenario of SCENARIOS) {
    await install(
      project,
      scenario.install.map((name) => `${name}@${wanted(name)}`),
    );
    for (const peer of scenario.install) installed.add(peer);
    for (const flavour of Object.keys(FLAVOURS)) await checkLoading(project, scenario, flavour);
    await checkTypes(project, scenario);
  }
  await checkPages(temp, tarball);
}

checkNode();
await ensureInstalled();
const temp = mkdtempSync(join(tmpdir(), 'oqronkit-package-'));
try {
  await checkPackage(temp);
} catch (error) {
  check('the package is packed and installed', error.message);
} finally {
  rmSync(temp, { recursive: true, force: true });
}
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exit(counts.failed === 0 ? 0 : 1);
