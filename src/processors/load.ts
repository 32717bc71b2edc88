import { z } from 'zod';
import { ConfigError } from '../common/errors.js';
import { registry } from '../common/registry.js';
import { key, readSection, types } from '../config/index.js';
import { ImageProcessor, type ProcessorSection, TextProcessor } from './base.js';

/** A processor's section is checked against the schema of the class that `name` chooses. */
const processorSchema = z.looseObject({ name: types.text });
const sidesSchema = z.strictObject({
  train: key(processorSchema, undefined, 'For `train_splits`: `name`, and the keys of that processor.'),
  eval: key(processorSchema, undefined, 'For every other split: `name`, and the keys of that processor.'),
});

/** The keys of a section that names processors. */
export const processorKeys = {
  vis_processor: key(sidesSchema, undefined, 'The image processor, which turns image files into pixels.'),
  text_processor: key(sidesSchema, undefined, 'The text processor, which cleans texts.'),
};

/** Which of a section's processors: `train` has its own, every other split takes `eval`. */
export type Side = keyof typeof sidesSchema.shape;
export const sideOf = (split: string): Side => (split === 'train' ? 'train' : 'eval');

/** A section that may name processors: a dataset's, or a model's `preprocess`. */
export interface ProcessorOwner {
  /** Its name in messages: `datasets.coco_caption`. */
  name: string;
  section: unknown;
}

/** The image processor that a section names; undefined where it names none. @throws ConfigError */
export function imageProcessorOf(owner: ProcessorOwner, side: Side): ImageProcessor | undefined {
  const named = sectionOf(owner, 'vis_processor', side);
  return named && loadImageProcessor(named.name, named);
}

/** The text processor that a section names; undefined where it names none. @throws ConfigError */
export function textProcessorOf(owner: ProcessorOwner, side: Side): TextProcessor | undefined {
  const named = sectionOf(owner, 'text_processor', side);
  return named && loadTextProcessor(named.name, named);
}

function sectionOf({ name, section }: ProcessorOwner, kind: keyof typeof processorKeys, side: Side) {
  const schema = z.object({ [kind]: processorKeys[kind] });
  return readSection(name, schema, section, { unknown: 'ignore' })[kind]?.[side];
}

/**
 * The processor of this name, with its defaults or the keys of its section.
 * @throws ConfigError on an unknown name, an unknown key, a wrong value.
 */
export function loadProcessor(name: string, section?: ProcessorSection): ImageProcessor | TextProcessor {
  return registry.getProcessorClass(name).fromConfig(section);
}

/** `loadProcessor` for an image processor. @throws ConfigError also when it is another kind. */
export function loadImageProcessor(name: string, section?: ProcessorSection): ImageProcessor {
  const processor = loadProcessor(name, section);
  if (processor instanceof ImageProcessor) return processor;
  throw wrongKind(name, 'vis_processor', 'an image processor');
}

/** `loadProcessor` for a text processor. @throws ConfigError also when it is another kind. */
export function loadTextProcessor(name: string, section?: ProcessorSection): TextProcessor {
  const processor = loadProcessor(name, section);
  if (processor instanceof TextProcessor) return processor;
  throw wrongKind(name, 'text_processor', 'a text processor');
}

function wrongKind(name: string, key: string, wanted: string): ConfigError {
  return new ConfigError(`the processor '${name}' is not ${wanted}`, {
    where: key,
    help: 'lavis zoo lists the processors',
  });
}
