import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { ConfigError, messageOf } from '../../common/errors.js';
import { resolveFile } from '../../common/paths.js';

/** The values of a BERT configuration that the text encoder and decoder take. */
export interface MedConfig {
  vocabSize: number;
  /** D, a multiple of heads. */
  hiddenSize: number;
  layers: number;
  heads: number;
  intermediateSize: number;
  maxPositions: number;
  /** Width of what cross-attention attends to. */
  encoderWidth: number;
  hiddenDropout: number;
  attentionDropout: number;
  layerNormEps: number;
  initializerRange: number;
}

const count = z.number().int().min(1);
const rate = z.number().min(0).max(0.99);

/**
 * BERT's configuration file, as LAVIS's configs/models/med_config.json; other keys are not read. In a config.json of
 * transformers' BLIP it stands under `text_config`, with `encoder_hidden_size` for `encoder_width`.
 */
const fileSchema = z.object({
  hidden_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  intermediate_size: count,
  hidden_act: z.literal('gelu').default('gelu'),
  hidden_dropout_prob: rate.default(0.1),
  attention_probs_dropout_prob: rate.default(0.1),
  initializer_range: z.number().positive().default(0.02),
  layer_norm_eps: z.number().positive().default(1e-12),
  max_position_embeddings: count.default(512),
  add_type_embeddings: z.literal(false).default(false),
  add_cross_attention: z.literal(true).default(true),
  vocab_size: count.optional(),
  encoder_width: count.optional(),
});

/** What the rest of the model has; a file that says otherwise is refused, one that says nothing follows. */
export interface Surroundings {
  /** The tokenizer's length. */
  vocabSize: number;
  /** The width of the image tokens. */
  encoderWidth: number;
  /** A smaller vocab_size grows to the tokenizer's length. Source: lavis/models/blip_models/blip_pretrain.py. */
  grows?: boolean;
}

/**
 * Reads `med_config_path`.
 * @throws ConfigError when the file is missing, is not JSON, or does not fit the tokenizer or the ViT.
 */
export function readMedConfig(
  path: string,
  { vocabSize, encoderWidth, grows = false }: Surroundings,
): MedConfig {
  const where = resolveFile(path);
  const parsed = fileSchema.safeParse(bertPartOf(readBertConfig(where)));
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new ConfigError('the BERT configuration cannot be used', { where, found: problems.join('\n') });
  }
  const file = parsed.data;
  if (file.encoder_width !== undefined && file.encoder_width !== encoderWidth) {
    throw new ConfigError('encoder_width is not the width of the ViT', {
      where,
      found: `${file.encoder_width}`,
      allowed: `${encoderWidth}, or no encoder_width at all`,
      help: 'base: configs/models/med_config.json, large: configs/models/med_large_config.json',
    });
  }
  if (!grows && file.vocab_size !== undefined && file.vocab_size < vocabSize) {
    throw new ConfigError('vocab_size is smaller than the vocabulary', {
      where,
      found: `${file.vocab_size}`,
      allowed: `${vocabSize} (lines of vocab.txt and two added tokens), or no vocab_size at all`,
    });
  }
  if (file.hidden_size % file.num_attention_heads !== 0) {
    throw new ConfigError('hidden_size is not a multiple of num_attention_heads', {
      where,
      found: `${file.hidden_size} wide, ${file.num_attention_heads} heads`,
    });
  }
  return {
    vocabSize: grows ? vocabSize : (file.vocab_size ?? vocabSize),
    encoderWidth,
    hiddenSize: file.hidden_size,
    layers: file.num_hidden_layers,
    heads: file.num_attention_heads,
    intermediateSize: file.intermediate_size,
    maxPositions: file.max_position_embeddings,
    hiddenDropout: file.hidden_dropout_prob,
    attentionDropout: file.attention_probs_dropout_prob,
    layerNormEps: file.layer_norm_eps,
    initializerRange: file.initializer_range,
  };
}

function bertPartOf(file: unknown): unknown {
  const text = (file as { text_config?: Record<string, unknown> } | null)?.text_config;
  return text ? { encoder_width: text.encoder_hidden_size, ...text } : file;
}

function readBertConfig(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ConfigError('the BERT configuration is not there', {
      where: path,
      help: 'model.med_config_path=FILE, relative to the working directory or the package',
      cause,
    });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ConfigError('the BERT configuration is not JSON', {
      where: path,
      found: messageOf(cause),
      cause,
    });
  }
}
