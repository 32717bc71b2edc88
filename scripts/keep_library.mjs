/**
 * Runs as npm installs this package, before any other package's script: keeps the library of onnxruntime-node.
 *
 * That package's own script downloads CUDA files, which are not used here; where it cannot (a proxy, no network),
 * npm takes the whole package away again, as it does with optional dependencies that fail. What we load came with it and needs
 * no download.
 */
import { copyFileSync, linkSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const kept = join(dirname(fileURLToPath(import.meta.url)), '..', 'native');

try {
  const installed = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  const platform = join('bin', 'napi-v6', process.platform, process.arch);
  mkdirSync(kept, { recursive: true });
  for (const name of readdirSync(join(installed, platform))) {
    // Its parts for GPUs and its binding to Node are not used.
    if (/providers|\.node$/.test(name)) continue;
    rmSync(join(kept, name), { force: true });
    link(join(installed, platform, name), join(kept, name));
  }
} catch {
  // Nothing to keep: a clone before its packages are there, or a platform without a library. Lavis says so.
}

function link(from, to) {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}
