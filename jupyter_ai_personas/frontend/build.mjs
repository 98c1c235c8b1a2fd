// Compiles `src` to `lib` and bundles it into `../labextension`, the same bytes on any machine.
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';

const read = file => JSON.parse(readFileSync(file, 'utf8'));

// The builder asks for the packages of the newest JupyterLab; ours are the oldest that will do.
function oldestCore() {
  const core = read('node_modules/@jupyterlab/core-meta/core.package.json');
  const { dependencies } = read('package.json');
  for (const versions of [core.dependencies, core.resolutions]) {
    for (const name of Object.keys(versions ?? {})) {
      versions[name] = dependencies[name] ?? versions[name];
    }
  }
  return core;
}

const node = (...args) => execFileSync(process.execPath, args, { stdio: 'inherit' });

rmSync('lib', { recursive: true, force: true });
node('node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json');
writeFileSync('lib/core.package.json', JSON.stringify(oldestCore()));
node(
  'node_modules/@jupyter/builder/lib/build-labextension.js',
  '--core-package-file',
  'lib/core.package.json',
  '.'
);
