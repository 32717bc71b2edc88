import { ConfigError } from '../../common/errors.js';
import {
  BlipCaption,
  BlipImageTextMatching,
  BlipRetrieval,
  BlipVQA,
  type Model,
  type TextDecoder,
} from '../../models/index.js';

/** A model that transformers has a class for. */
export type Exportable = BlipCaption | BlipVQA | BlipImageTextMatching | BlipRetrieval;

/** How transformers names a model, and what of it goes into the file. */
export interface Layout {
  /** The class that reads the folder. */
  architecture: string;
  /** What its parameters begin with, under LAVIS's names; others (momentum copies, queues) stay behind. */
  parts: readonly string[];
  decoder?: TextDecoder;
  /** The Hub's name for what it does. */
  pipeline: string;
  /** Dimension of the projected image and text features. */
  featureWidth?: number;
}

const MATCHING = ['visual_encoder', 'text_encoder', 'vision_proj', 'text_proj', 'itm_head'];

/**
 * The class of transformers that holds a model.
 * @throws ConfigError where transformers has none
 */
export function layoutOf(model: Model): { model: Exportable; layout: Layout } {
  if (model instanceof BlipCaption) {
    return {
      model,
      layout: {
        architecture: 'BlipForConditionalGeneration',
        parts: ['visual_encoder', 'text_decoder'],
        decoder: model.textDecoder,
        pipeline: 'image-to-text',
      },
    };
  }
  if (model instanceof BlipVQA) {
    return {
      model,
      layout: {
        architecture: 'BlipForQuestionAnswering',
        parts: ['visual_encoder', 'text_encoder', 'text_decoder'],
        decoder: model.textDecoder,
        pipeline: 'visual-question-answering',
      },
    };
  }
  if (model instanceof BlipImageTextMatching || model instanceof BlipRetrieval) {
    return {
      model,
      layout: {
        architecture: 'BlipForImageTextRetrieval',
        parts: MATCHING,
        pipeline: 'zero-shot-image-classification',
        featureWidth: model.visionProj.bias.size,
      },
    };
  }
  throw new ConfigError("Hugging Face's transformers has no class for this model", {
    found: model.constructor.name,
    allowed: 'BlipCaption, BlipVQA, BlipImageTextMatching, BlipRetrieval',
    help: 'lavis convert IN OUT.safetensors writes its weights under their own names',
  });
}
