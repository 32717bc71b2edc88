import { z } from 'zod';
import type { Kind, Registry } from '../../common/registry.js';
import type { HasDefaults } from '../defaults.js';
import { EVERY_CLASS, foreignKeys, RUN_CLASSES, runDefault, runSchema, schemaOf } from './compose.js';
import { type JsonSchema, toJsonSchema } from './describe.js';
import { shareParts } from './shared_parts.js';

/** JSON Schema of a run's YAML, for editors: every key of the classes that are registered. */
export function configJsonSchema(registry: Registry): JsonSchema {
  const model = choice(registry, 'model', 'arch');
  const sides = { $ref: '#/$defs/processors' };
  const datasets = registry.list('builder').map((name): [string, JsonSchema] => {
    const dataset = jsonOf(registry, 'builder', name);
    for (const key of ['vis_processor', 'text_processor']) {
      const { description } = dataset.properties?.[key] ?? {};
      if (dataset.properties?.[key]) dataset.properties[key] = { description, allOf: [sides] };
    }
    return [name, dataset];
  });
  const run = fit(toJsonSchema(runSchema(registry, EVERY_CLASS), 'draft-7'));
  for (const [key, kind] of RUN_CLASSES) {
    const property = run.properties![key];
    run.properties![key] = {
      description: property.description,
      default: property.default,
      enum: registry.list(kind),
    };
  }
  // a default file or an option may bring what an editor would ask for
  delete run.required;
  run.allOf = RUN_CLASSES.flatMap(([key, kind]) =>
    registry.list(kind).map((name) => narrowed(registry, key, name)),
  );
  return shareParts({
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'A run of lavis',
    $defs: definitions(registry),
    type: 'object',
    additionalProperties: false,
    patternProperties: { '^x-': { description: 'Blocks that *aliases elsewhere in the file refer to.' } },
    properties: {
      model: { ...model, description: 'The architecture, its size and its weights.' },
      datasets: {
        type: 'object',
        description: "The datasets to train and evaluate on: a section under each one's name.",
        additionalProperties: false,
        properties: Object.fromEntries(datasets),
      },
      run: { ...run, description: 'How to train, generate and evaluate.' },
      preprocess: {
        type: 'object',
        description: 'What loadModelAndPreprocess puts in front of the model: for default files of models.',
        properties: { vis_processor: sides, text_processor: sides },
      },
      plugins: {
        description: 'Modules that register classes of yours, beside this file or in the working directory.',
        anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }],
      },
      env: {
        type: 'object',
        description: 'Settings of this machine.',
        properties: { cache_root: { type: 'string', description: 'Where downloads are kept.' } },
      },
    },
  });
}

/** What stands in many places. */
function definitions(registry: Registry): Record<string, JsonSchema> {
  const processor = choice(registry, 'processor', 'name');
  const side = { $ref: '#/$defs/processor' };
  return {
    interpolation: { type: 'string', pattern: '\\$\\{' },
    processor,
    processors: { type: 'object', properties: { train: side, eval: side } },
  };
}

/** As if … then: keys of other tasks, runners or schedules are not known to the one that is chosen. */
function narrowed(registry: Registry, key: string, name: string): JsonSchema {
  const others = foreignKeys(registry, key, name);
  const isDefault = runDefault(key) === name;
  const then = { properties: Object.fromEntries(others.map((other) => [other, false])) };
  return {
    if: { properties: { [key]: { const: name } }, ...(isDefault ? {} : { required: [key] }) },
    then,
  };
}

/** A section whose key `by` chooses the class: one alternative for each. */
function choice(registry: Registry, kind: Kind, by: string): JsonSchema {
  const names = registry.list(kind);
  const alternatives = names.map((name) => {
    const section = jsonOf(registry, kind, name);
    const chosen: JsonSchema = {
      ...section.properties?.[by],
      type: undefined,
      anyOf: undefined,
      const: name,
    };
    return { ...section, properties: { ...section.properties, [by]: chosen } };
  });
  if (alternatives.length === 1) return alternatives[0];
  // as if … then, so that an editor complains about the keys of the class that is named, not about all
  return {
    type: 'object',
    properties: { [by]: { enum: names } },
    allOf: alternatives.map((then, i) => ({
      if: { properties: { [by]: { const: names[i] } }, required: [by] },
      then,
    })),
  };
}

/** Keys that choose one of a class's default files. */
const TYPE_KEYS: Partial<Record<Kind, string>> = { model: 'model_type', builder: 'type' };

function jsonOf(registry: Registry, kind: Kind, name: string): JsonSchema {
  const json = fit(toJsonSchema(schemaOf(registry, kind, name) ?? z.looseObject({}), 'draft-7'));
  const types = Object.keys((registry.get(kind, name) as HasDefaults).defaultConfigs ?? {});
  const property = json.properties?.[TYPE_KEYS[kind] ?? ''];
  if (property && types.length > 0) {
    json.properties![TYPE_KEYS[kind]!] = { description: property.description, enum: types };
  }
  return json;
}

const INTERPOLATION: JsonSchema = { $ref: '#/$defs/interpolation' };

/** Lets an interpolation stand for any number or flag, and leaves out what only zod needs. */
function fit(schema: JsonSchema): JsonSchema {
  const { $schema: _, ...rest } = schema;
  const { description, default: fallback, ...type } = rest;
  const inner: JsonSchema = { ...type };
  if (inner.maximum === Number.MAX_SAFE_INTEGER) delete inner.maximum;
  if (inner.minimum === Number.MIN_SAFE_INTEGER) delete inner.minimum;
  if (inner.anyOf) inner.anyOf = inner.anyOf.map(fit);
  if (inner.properties) {
    const entries = Object.entries(inner.properties).map(([key, value]) => [key, fit(value)]);
    inner.properties = Object.fromEntries(entries);
  }
  if (typeof inner.items === 'object' && !Array.isArray(inner.items)) inner.items = fit(inner.items);
  if (typeof inner.additionalProperties === 'object') {
    inner.additionalProperties = fit(inner.additionalProperties);
  }
  const scalar = ['integer', 'number', 'boolean'].includes([inner.type ?? ''].flat()[0]);
  const open: JsonSchema = scalar ? { anyOf: [inner, INTERPOLATION] } : inner;
  return {
    ...(description === undefined ? {} : { description }),
    ...(fallback === undefined ? {} : { default: fallback }),
    ...open,
  };
}
