import { inWords, launchSchema, toJsonSchema } from '../../dist/config/index.js';

/** docs/configuration.md: every key that a YAML may have, from the schemas of the classes. */
export function configurationPage(registry) {
  const section = (kind, name) => table(registry.get(kind, name).configSchema);
  const each = (kind, title) =>
    registry.list(kind).flatMap((name) => [`### ${title(name)}`, '', section(kind, name), '']);
  return `${[
    INTRODUCTION,
    '## `model`',
    '',
    ...each('model', (name) => `\`arch: ${name}\``),
    '## `datasets`',
    '',
    "One section under each dataset's name. `vis_processor` and `text_processor` have a `train` and an `eval`",
    'side, each with the `name` of a processor and its keys.',
    '',
    ...each('builder', (name) => `\`datasets.${name}\``),
    '## Processors',
    '',
    ...each('processor', (name) => `\`name: ${name}\``),
    '## `run`',
    '',
    '### What runs where',
    '',
    table(launchSchema),
    '',
    '### Training, evaluation, checkpoints',
    '',
    section('runner', 'runner_iter'),
    '',
    '### Loggers',
    '',
    'Options that stand beside a name in `run.hooks`: `hooks: [{csv: {file: table.csv}}]`.',
    '',
    ...registry.list('hook').flatMap((name) => {
      const { optionsSchema } = registry.get('hook', name);
      return optionsSchema ? [`#### \`${name}\``, '', table(optionsSchema), ''] : [];
    }),
    '### Learning rate',
    '',
    section('lrScheduler', 'linear_warmup_step_lr'),
    '',
    '## Tasks',
    '',
    'Keys of `run` that one task reads; the others refuse them.',
    '',
    ...each('task', (name) => `\`task: ${name}\``),
    '## `plugins` and `env`',
    '',
    '`plugins: my_dataset.js`, or a list, names modules that register classes of yours; they lie beside the YAML',
    'or in the working directory. `env.cache_root` says where downloads are kept, for this run; for every run',
    '`configs/default.yaml` does, and the environment variable `LAVIS_CACHE_ROOT` goes before both.',
    '',
    OWN_KEYS,
  ].join('\n')}\n`;
}

const INTRODUCTION = `# Configuration

<!-- Written by scripts/docs/generate.mjs from the schemas in src/: change them, not this file. -->

A run is one YAML file with the sections \`model\`, \`datasets\` and \`run\`. What it leaves out comes from default
files: those of the architecture and its \`model_type\`, and those of each dataset and its \`type\` (\`lavis zoo\` lists
them). Later wins:

1. the defaults of the model and of the datasets,
2. the YAML,
3. \`--options\`, as \`run.max_epoch=2\` or \`run.max_epoch 2\`, keys dotted.

Mappings merge key by key; lists replace whole; \`null\` replaces too, and stands for a key's default.
\`lavis config --cfg-path F --origin\` prints the result and where each value was written.

- **Scalars** are read as LAVIS reads them (YAML 1.1 by OmegaConf): \`yes\`, \`no\`, \`on\`, \`off\` are flags, \`1e-5\` and
  \`2e-6\` are numbers, \`010\` is 8, \`1:30\` is 90, dates are texts. Quotes keep a text a text.
- **Options** are lists, mappings and quoted texts as in YAML; all else is one scalar as it was typed: \`run.output_dir=a #b\`
  or \`model.finetuned=[old] run/x.pth\` is the whole path.
- **Files** are UTF-8 or UTF-16. Sections whose name begins with \`x-\` only hold blocks for anchors: \`x-common: &common\`
  and \`<<: *common\` in another section.
- **Interpolations**: \`\${run.output_dir}\` is the value of another key, \`\${.seed}\` of one beside it, and
  \`\${oc.env:NAME,default}\` an environment variable, which is always a text;
  \`\${oc.decode:\${oc.env:NAME,1}}\` makes a number of it. \`lavis config --resolved\` shows them replaced.
- **Checked before anything starts**: unknown keys, keys of another task, runner or schedule, wrong values, unknown names, splits that no dataset has, image
  sizes that differ between model and processors. All faults are told at once, each with its place
  ([mistakes.md](mistakes.md) shows over fifty).
  \`--allow-unknown\` lets unknown keys pass, unused.
- **In an editor**: a first line \`# yaml-language-server: $schema=…/configs/schema.json\` completes and checks
  (\`lavis config --schema\` prints the same, your plug-ins included).
`;

const OWN_KEYS = `## Keys of your own classes

A class of a plug-in that says its keys has them checked, with a place and a suggestion, like ours; one that does
not takes any.

\`\`\`js
import { key, readSection, registry, section, TextProcessor, types } from 'lavis';

class Shout extends TextProcessor {
  static configSchema = section({
    name: key(types.text, undefined, 'Which processor.'),
    marks: key(types.natural, 1, 'How many exclamation marks.'),
  });
  static fromConfig(keys) {
    return new Shout(readSection('shout', Shout.configSchema, keys).marks);
  }
  constructor(marks) {
    super();
    this.marks = marks;
  }
  apply(text) {
    return text.toUpperCase() + '!'.repeat(this.marks);
  }
}
registry.registerProcessor('shout')(Shout);
\`\`\`

\`lavis train --plugin shout.js --cfg-path run.yaml\`, with \`text_processor: {train: {name: shout, marks: 2}}\`.`;

/** The keys of a schema, nested ones dotted. */
function table(schema) {
  const rows = rowsOf(toJsonSchema(schema), '');
  return ['| key | value | default | meaning |', '|---|---|---|---|', ...rows].join('\n');
}

function rowsOf(json, prefix) {
  const needed = new Set(json.required ?? []);
  return Object.entries(json.properties ?? {}).flatMap(([key, property]) => {
    const name = `${prefix}${key}`;
    const inner = mappingOf(property);
    const value = inner ? 'a mapping' : inWords(property);
    const fallback = needed.has(key) ? '**needed**' : shown(property.default);
    const row = `| \`${name}\` | ${value} | ${fallback} | ${property.description ?? ''} |`;
    return [row, ...(inner ? inner.flatMap(([path, below]) => rowsOf(below, `${name}.${path}`)) : [])];
  });
}

/** What lies inside: named keys, or any split's. */
function mappingOf(property) {
  const mapping = [property, ...(property.anyOf ?? [])].find(({ type }) => type === 'object');
  if (!mapping) return undefined;
  if (typeof mapping.additionalProperties === 'object') {
    const below = mappingOf(mapping.additionalProperties);
    return below ? below.map(([path, json]) => [`<split>.${path}`, json]) : [];
  }
  return [['', mapping]];
}

function shown(value) {
  if (value === undefined) return '';
  if (value === true) return '`True`';
  if (value === false) return '`False`';
  if (value === '') return '`""`';
  return `\`${typeof value === 'string' ? value : JSON.stringify(value).replaceAll(',', ', ')}\``;
}
