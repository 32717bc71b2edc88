import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { it } from 'node:test';

const NOT_ROOMS = ['assembly']; // compiled by another compiler
const page = readFileSync('docs/architecture.md', 'utf8');
const listed = [...page.matchAll(/^\| `(\w+)` +\| /gm)].map(([, room]) => room);

it('docs/architecture.md lists the rooms that there are', () => {
  const folders = readdirSync('src', { withFileTypes: true }).filter((entry) => entry.isDirectory());
  assert.deepEqual(
    [...listed].sort(),
    folders
      .map(({ name }) => name)
      .filter((name) => !NOT_ROOMS.includes(name))
      .sort(),
  );
});

it('in the order that npm run check holds imports to', () => {
  const rules = createRequire(import.meta.url)(resolve('.dependency-cruiser.cjs')) as {
    forbidden: { name: string; to: { path?: string } }[];
  };
  const above = rules.forbidden.find(({ name }) => name === `${listed.at(-1)}-imports-nothing-above-it`)!;
  const order = /\(([\w|]+)\)/.exec(above.to.path!)![1].split('|');
  assert.deepEqual(
    listed.slice(0, -1),
    order.filter((name) => name !== 'index'),
  );
});

it('and its drawing names no other', () => {
  const drawing = readFileSync('docs/architecture.svg', 'utf8');
  const named = [...drawing.matchAll(/font-size="12">([\w, ]+)<\/text>/g)].flatMap(([, rooms]) =>
    rooms.split(', '),
  );
  assert.ok(named.length >= 15, String(named));
  for (const room of named) assert.ok(listed.includes(room), room);
});

/** Variables of a module, containers that begin empty, and memory that loops share. */
const STATE = new RegExp(
  [
    '^(export )?let \\w',
    '^(export )?const \\w+(: [^=]+)? = (new (Map|Set|WeakMap|WeakSet)(<.*>)?\\(\\)|\\[\\]|\\{\\})',
    '^(export )?const \\w+ = (new FinalizationRegistry|newMemory\\()',
    '^(export )?const state = ',
    '^export const registry = ',
  ].join('|'),
  'm',
);

it('its table of state names every module that has some, and no other', () => {
  const [, section] = /^## State\n(.*?)^## /ms.exec(page)!;
  const told = [...section.matchAll(/^\|.*\|(.*)\|$/gm)].flatMap(([, cell]) =>
    [...cell.matchAll(/`([\w/]+)`/g)].map(([, name]) => name),
  );
  const modules = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(
    (path) => path.endsWith('.ts') && !path.startsWith('assembly'),
  );
  const found = modules.filter((path) => STATE.test(readFileSync(join('src', path), 'utf8')));
  assert.deepEqual(told.toSorted(), found.map((path) => path.replace(/\.ts$/, '')).toSorted());
});
