// Packs the library as npm would publish it and tries every entry point in an empty project: from ES modules, from
// CommonJS and from TypeScript, with and without the optional peers.
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bin, capture, root } from './lib/child.mjs';
import { checkNode, ensureInstalled } from './lib/ensure.mjs';

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const entries = Object.keys(manifest.exports)
  .filter((key) => key !== './package.json')
  .map((key) => key.replace(/^\./, manifest.name));
const needsNest = (entry) => entry.startsWith(`${manifest.name}/nestjs`);

const SCENARIOS = [
  { name: 'bare', install: ['@types/node'], loads: (entry) => !needsNest(entry) },
  { name: 'with Nest', install: ['@nestjs/common', '@nestjs/core', 'reflect-metadata', 'rxjs'], loads: () => true },
  { name: 'with Nest, ioredis and pg', install: ['ioredis', 'pg', '@types/pg'], loads: () => true },
];
const PUBLISHED = /^(dist\/lib\/.+\.(js|d\.ts)|package\.json|README\.md|LICENSE|CHANGELOG\.md)$/;
const FLAVOURS = { esm: 'module', cjs: 'commonjs' };

const probe = (load) => `
  const results = {};
  for (const entry of ${JSON.stringify(entries)}) {
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

const wanted = (name) => manifest.devDependencies[name] ?? manifest.peerDependencies[name] ?? 'latest';
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

async function checkLoading(project, { name, loads }, flavour) {
  const { code, output } = await capture(process.execPath, ['probe.js'], {
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
    const asExpected = loads(entry) ? result === 'loads' : /^(ERR_MODULE|MODULE)_NOT_FOUND: .*@nestjs\//.test(result);
    const expected = loads(entry) ? 'loads' : 'fails and names the missing @nestjs package';
    check(`${name}, ${flavour}: ${entry} ${expected}`, asExpected ? '' : result);
  }
}

/** Our own declarations must hold with `skipLibCheck: false`; those of other packages are not ours to judge. */
async function checkTypes(project, { name, loads }) {
  const imports = entries
    .filter(loads)
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
    for (const flavour of Object.keys(FLAVOURS)) await checkLoading(project, scenario, flavour);
    await checkTypes(project, scenario);
  }
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
