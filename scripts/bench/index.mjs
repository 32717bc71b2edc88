/**
 * All that is measured, one entry:
 *
 *     npm run bench                          the whole benchmark (whole.mjs says what it takes)
 *     node scripts/bench/index.mjs CASE …    one case; what it takes stands at the head of cases/CASE.mjs
 */
import { readdirSync } from 'node:fs';

const [name] = process.argv.slice(2);
if (name === undefined || name.startsWith('-')) {
  await import('./whole.mjs');
} else {
  const cases = readdirSync(new URL('./cases', import.meta.url)).flatMap(
    (file) => file.match(/^(\w+)\.mjs$/)?.[1] ?? [],
  );
  if (!cases.includes(name)) {
    console.error(`no case is named ${name}; there are ${cases.join(', ')}`);
    process.exit(2);
  }
  process.argv.splice(2, 1);
  await import(`./cases/${name}.mjs`);
}
