import { type Kind, registry } from '../common/registry.js';
import type { HasDefaults } from '../config/index.js';
import { defineCommand } from './command.js';
import { configOptions, loadClasses } from './config_options.js';

const SECTIONS: readonly (readonly [kind: Kind, title: string, detail?: string])[] = [
  ['model', 'Architectures', 'Types'],
  ['builder', 'Datasets', 'Types'],
  ['processor', 'Processors'],
  ['task', 'Tasks'],
  ['runner', 'Runners'],
  ['lrScheduler', 'Learning-rate schedulers'],
  ['hook', 'Loggers and hooks'],
];

export const zoo = defineCommand({
  options: {
    plugin: configOptions.plugin,
    json: { type: 'boolean', default: false, describe: 'Print JSON' },
  },
  examples: [
    ['lavis zoo', 'what a YAML may name'],
    ['lavis zoo --plugin ./my_dataset.js', 'the same with classes of yours'],
  ],
  async handler(args) {
    await loadClasses(args.plugin);
    const listed = SECTIONS.map(([kind, title, detail]) => ({
      kind,
      title,
      detail,
      rows: registry.list(kind).map((name) => ({ name, types: detail ? typesOf(kind, name) : [] })),
    }));
    if (args.json) {
      const byKind = listed.map(({ kind, detail, rows }) => [
        kind,
        detail ? Object.fromEntries(rows.map((row) => [row.name, row.types])) : rows.map((row) => row.name),
      ]);
      console.log(JSON.stringify(Object.fromEntries(byKind), null, 2));
    } else {
      console.log(listed.map(table).join('\n\n'));
    }
  },
});

function typesOf(kind: Kind, name: string): string[] {
  return Object.keys((registry.get(kind, name) as HasDefaults).defaultConfigs ?? {});
}

interface Section {
  title: string;
  detail?: string;
  rows: { name: string; types: string[] }[];
}

function table({ title, detail, rows }: Section): string {
  const width = 30;
  const rule = '='.repeat(50);
  const line = (left: string, right = '') => `${left.padEnd(width)} ${right}`.trimEnd();
  const body = rows.length ? rows.map((row) => line(row.name, row.types.join(', '))) : ['(none)'];
  return [rule, line(title, detail), rule, ...body].join('\n');
}
