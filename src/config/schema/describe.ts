import { z } from 'zod';

/** The part of JSON Schema that zod writes for our keys. */
export interface JsonSchema {
  type?: string | string[];
  description?: string;
  default?: unknown;
  enum?: unknown[];
  const?: unknown;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  minLength?: number;
  pattern?: string;
  examples?: unknown[];
  items?: JsonSchema | boolean;
  prefixItems?: JsonSchema[];
  anyOf?: JsonSchema[];
  properties?: Record<string, JsonSchema>;
  additionalProperties?: JsonSchema | boolean;
  required?: string[];
  [other: string]: unknown;
}

export function toJsonSchema(
  schema: z.ZodType,
  target: 'draft-2020-12' | 'draft-7' = 'draft-2020-12',
): JsonSchema {
  return z.toJSONSchema(schema, {
    target,
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      const json = jsonSchema as JsonSchema;
      if ('fallback' in json) json.default = json.fallback;
      delete json.fallback;
    },
  }) as JsonSchema;
}

/** The alternatives of a schema, null apart. */
export function alternatives(schema: JsonSchema): JsonSchema[] {
  if (schema.anyOf) return schema.anyOf.flatMap(alternatives);
  const allowed = [schema.type ?? []].flat().filter((type) => type !== 'null');
  if (allowed.length === 0 && schema.type !== undefined) return [];
  return [{ ...schema, type: allowed[0] }];
}

/** The schema of a value inside; undefined where nothing is said about it. */
export function schemaAt(schema: JsonSchema, path: readonly PropertyKey[]): JsonSchema | undefined {
  let here: JsonSchema | undefined = schema;
  for (const step of path) {
    here = alternatives(here)
      .map((option) => childOf(option, String(step)))
      .find((child) => child !== undefined);
    if (!here) return undefined;
  }
  return here;
}

function childOf({ properties, additionalProperties, items, prefixItems }: JsonSchema, name: string) {
  if (properties && Object.hasOwn(properties, name)) return properties[name];
  if (prefixItems?.[Number(name)]) return prefixItems[Number(name)];
  if (typeof items === 'object') return items;
  return typeof additionalProperties === 'object' ? additionalProperties : undefined;
}

/** What a value may be, in words: "a whole number, at least 1". */
export function inWords(schema: JsonSchema): string {
  const options = alternatives(schema);
  if (options.length !== 1) return [...new Set(options.map(oneInWords))].join(', or ') || 'null';
  return oneInWords(options[0]);
}

function oneInWords(schema: JsonSchema): string {
  if (schema.const !== undefined) return String(schema.const);
  if (schema.enum) return schema.enum.map(String).join(' or ');
  switch (schema.type) {
    case 'integer':
      return ['a whole number', ...bounds(schema)].join(', ');
    case 'number':
      return ['a number', ...bounds(schema)].join(', ');
    case 'boolean':
      return 'True or False';
    case 'string':
      if (schema.examples) return schema.examples.map(String).join(' or ');
      return schema.minLength ? 'a text' : 'text, or empty';
    case 'array':
      if (schema.prefixItems) return `a list of ${schema.prefixItems.length} numbers`;
      return typeof schema.items === 'object' ? `a list: each ${inWords(schema.items)}` : 'a list';
    case 'object':
      if (Object.keys(schema.properties ?? {}).length > 0)
        return `a mapping with ${Object.keys(schema.properties!).join(', ')}`;
      return Object.keys(schema.additionalProperties ?? {}).length > 0
        ? `a mapping: under each name ${inWords(schema.additionalProperties as JsonSchema)}`
        : 'a mapping';
    default:
      return 'anything';
  }
}

function bounds({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchema): string[] {
  const said: string[] = [];
  // zod bounds integers by what a float64 holds exactly
  if (exclusiveMinimum !== undefined && exclusiveMinimum > Number.MIN_SAFE_INTEGER)
    said.push(`above ${exclusiveMinimum}`);
  if (minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER) said.push(`at least ${minimum}`);
  if (exclusiveMaximum !== undefined) said.push(`below ${exclusiveMaximum}`);
  if (maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER) said.push(`at most ${maximum}`);
  return said;
}
