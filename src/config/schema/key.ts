import { z } from 'zod';

/**
 * One key of a section: absent and null stand for the default.
 * @param fallback what a run takes without the key; undefined where the key is simply off.
 * @param meaning a sentence for the documentation and for editors.
 */
export function key<T extends z.ZodType, D>(type: T, fallback: D, meaning: string) {
  return (
    type
      .nullish()
      .transform(
        (value) => (value ?? fallback) as D extends undefined ? z.output<T> | undefined : z.output<T>,
      )
      // zod drops `default` from the schema of what a transformation takes in: toJsonSchema puts it back
      .meta({ description: meaning, ...(fallback === undefined ? {} : { fallback }) })
  );
}

/** A key that a run cannot do without. */
export const needed = <T extends z.ZodType>(type: T, meaning: string) => type.meta({ description: meaning });

/** The keys of a class's section, for its `static configSchema`; other keys are refused. */
export const section = z.strictObject;

/** The types that keys have, named as their readers know them. */
export const types = {
  text: z.string().min(1),
  /** May be empty. */
  words: z.string(),
  flag: z.boolean(),
  /** A kind of device, and of a card its number or a part of its name. */
  device: z.union([
    z.enum(['auto', 'cpu', 'cuda', 'webgpu']),
    z
      .string()
      .regex(/^(cuda:\d+|webgpu:.+)$/)
      .meta({ examples: ['cuda:0', 'webgpu:0'] }),
  ]),
  number: z.number(),
  /** At least 0. */
  size: z.number().min(0),
  positive: z.number().gt(0),
  /** Above 0, at most 1. */
  fraction: z.number().gt(0).max(1),
  /** From 0 below 1. */
  rate: z.number().min(0).lt(1),
  integer: z.number().int(),
  /** From 0. */
  count: z.number().int().min(0),
  /** From 1. */
  natural: z.number().int().min(1),
  texts: z.array(z.string().min(1)),
  numbers: z.array(z.number().min(0)),
  /** One number for red, green and blue. */
  colour: z.tuple([z.number(), z.number(), z.number()]),
} as const;

/** A registered hook may have options, which stand beside its name in `run.hooks`. */
export interface HasOptions {
  readonly optionsSchema?: z.ZodObject;
}

/** Values of a section that are right alone and wrong together. */
export interface Conflict {
  /** The key at which it is told. */
  key: string;
  headline: string;
  found: string;
  allowed: string;
}

/**
 * A registered class may say which keys its section has; unknown ones are refused then. And which values of
 * them do not go together: it is asked before the section is read, so they may be of any type.
 */
export interface HasSchema {
  readonly configSchema?: z.ZodObject;
  conflictsIn?(section: Readonly<Record<string, unknown>>): Conflict[];
}
