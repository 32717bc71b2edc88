import { ConfigError } from '../common/errors.js';
import { registry } from '../common/registry.js';
import { ImageProcessor, type ProcessorSection, TextProcessor } from './base.js';

/**
 * The processor of this name, with its defaults or the keys of its section.
 * @throws ConfigError on an unknown name, an unknown key, a wrong value.
 */
export function loadProcessor(name: string, section?: ProcessorSection): ImageProcessor | TextProcessor {
  return registry.getProcessorClass(name).fromConfig(section);
}

/** `loadProcessor` where only an image processor will do. @throws ConfigError also when it is another kind. */
export function loadImageProcessor(name: string, section?: ProcessorSection): ImageProcessor {
  const processor = loadProcessor(name, section);
  if (processor instanceof ImageProcessor) return processor;
  throw wrongKind(name, 'vis_processor', 'an image processor');
}

/** `loadProcessor` where only a text processor will do. @throws ConfigError also when it is another kind. */
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
