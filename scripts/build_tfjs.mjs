/** Bundles src/engine/tfjs_parts.ts, over what tsc made of it: its imports are modules that only bundlers can read. */
import { build } from 'esbuild';

await build({
  entryPoints: ['src/engine/tfjs_parts.ts'],
  outfile: 'dist/engine/tfjs_parts.js',
  allowOverwrite: true,
  bundle: true,
  format: 'esm',
  target: 'node20',
  minify: true,
  mainFields: ['module', 'main'],
  legalComments: 'none',
  banner: { js: '/* Parts of @tensorflow/tfjs-core. Copyright Google LLC; Apache License 2.0. */' },
});
