import { registry } from '../common/registry.js';
import type { Config, PlainObject } from '../config/index.js';
import { defineCommand, UsageError } from './command.js';
import { type ConfigArguments, configOptions, loadClasses, loadConfig } from './config_options.js';

export const config = defineCommand({
  options: {
    ...configOptions,
    'cfg-path': { ...configOptions['cfg-path'], demandOption: false },
    schema: { type: 'boolean', default: false, describe: 'Print the JSON Schema of a YAML, for editors' },
    origin: { type: 'boolean', default: false, describe: 'Say where each value was written' },
    resolved: { type: 'boolean', default: false, describe: 'Replace the interpolations by their values' },
    json: { type: 'boolean', default: false, describe: 'Print JSON' },
  },
  examples: [
    ['lavis config --cfg-path projects/blip/train/caption_coco_ft.yaml', 'the defaults and the file, merged'],
    ['lavis config --schema > schema.json', 'what an editor needs to check a YAML'],
    [
      'lavis config --cfg-path projects/blip/train/caption_coco_ft.yaml --origin --options run.max_epoch=2',
      'with the place of each value',
    ],
  ],
  epilogue:
    'An editor with a YAML language server completes and checks a file that begins with\n' +
    '  # yaml-language-server: $schema=path/to/lavis/configs/schema.json',
  async handler(args) {
    const { configJsonSchema, originsOf, yamlWithOrigins } = await import('../config/index.js');
    const { dump } = await import('js-yaml');
    if (args.schema) {
      await loadClasses(args.plugin);
      process.stdout.write(`${JSON.stringify(configJsonSchema(registry), null, 1)}\n`);
      return;
    }
    const cfgPath = args['cfg-path'];
    if (!cfgPath) throw new UsageError('--cfg-path FILE is needed, or --schema');
    const { loaded, faults } = await loadWithFaults({ ...args, 'cfg-path': cfgPath });
    const value = args.resolved ? resolved(loaded) : loaded.toJSON();
    if (args.json) console.log(JSON.stringify(args.origin ? originsOf(loaded, value) : value, null, 2));
    else process.stdout.write(args.origin ? yamlWithOrigins(loaded, value) : dump(value, { lineWidth: -1 }));
    if (faults) throw faults;
  },
});

/** A configuration with faults is printed all the same, and the faults after it. */
async function loadWithFaults(args: ConfigArguments): Promise<{ loaded: Config; faults?: unknown }> {
  try {
    return { loaded: await loadConfig(args) };
  } catch (faults) {
    const { Config } = await import('../config/index.js');
    const loaded = await Config.fromFile(args['cfg-path'], args.options).catch(() => {
      throw faults;
    });
    return { loaded, faults };
  }
}

function resolved(loaded: Config): PlainObject {
  return Object.fromEntries(Object.keys(loaded.toJSON()).map((name) => [name, loaded.value(name)]));
}
