/**
 * What other people's programs make of our files, and we of theirs, one entry:
 *
 *     node scripts/interop/index.mjs CASE …    what a case takes and installs stands at the head of cases/CASE.mjs
 *
 * Programs are installed below build/interop, never as dependencies.
 */
import { readdirSync } from 'node:fs';

const cases = readdirSync(new URL('./cases', import.meta.url)).flatMap(
  (file) => file.match(/^(\w+)\.mjs$/)?.[1] ?? [],
);
const [name] = process.argv.slice(2);
if (!cases.includes(name)) {
  console.error(`${name ? `no case is named ${name}` : 'which case?'}; there are ${cases.join(', ')}`);
  process.exit(2);
}
process.argv.splice(2, 1);
await import(`./cases/${name}.mjs`);
