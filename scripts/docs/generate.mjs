/**
 * Writes what is made from the keys that the classes say, configs/schema.json for editors and
 * docs/configuration.md for readers; docs/mistakes.md from what mistakes print; and the drawing of the architecture. With --check it writes nothing and fails where a file is old.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import '../../dist/index.js';
import { registry } from '../../dist/common/registry.js';
import { configJsonSchema } from '../../dist/config/index.js';
import { configurationPage } from './configuration_page.mjs';
import { architectureDrawing } from './drawing.mjs';
import { mistakesPage } from './mistakes_page.mjs';

const files = {
  'configs/schema.json': `${JSON.stringify(configJsonSchema(registry), null, 1)}\n`,
  'docs/configuration.md': configurationPage(registry),
  'docs/mistakes.md': await mistakesPage(),
  'docs/architecture.svg': architectureDrawing(),
};
const read = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};
const old = Object.keys(files).filter((path) => read(path) !== files[path]);
if (process.argv.includes('--check')) {
  for (const path of old) console.error(`${path} is old: npm run build && node scripts/docs/generate.mjs`);
  process.exitCode = old.length > 0 ? 1 : 0;
} else {
  for (const path of old) {
    writeFileSync(path, files[path]);
    console.log(`wrote ${path}`);
  }
}
