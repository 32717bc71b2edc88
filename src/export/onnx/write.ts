import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, ConfigError } from '../../common/errors.js';
import { explainWriteFailure, makeFolder, writeAside } from '../../common/files.js';
import { packageRoot } from '../../common/paths.js';
import { type GraphSpec, type StoredTensor, writeModel } from '../../engine/index.js';
import { BlipCaption, type Model } from '../../models/index.js';
import type { GenerationDefaults } from '../hugging_face/write.js';
import { type Preprocessing, preprocessorConfig, writeJson, writeTokenizer } from '../processor_files.js';
import { decoderGraph } from './decoder_graph.js';
import { encoderGraph } from './encoder_graph.js';
import type { OnnxDtype } from './graph_builder.js';

export interface OnnxOptions extends Preprocessing {
  /** Which files are written; `['fp32']` where left out. */
  dtypes?: readonly OnnxDtype[];
  generation?: GenerationDefaults;
}

/** What transformers.js puts behind a file's name. */
const SUFFIX: Record<OnnxDtype, string> = { fp32: '', fp16: '_fp16', q8: '_quantized' };

/**
 * Writes a captioner as a folder for transformers.js, optimum and ONNX Runtime itself: onnx/encoder_model.onnx and
 * onnx/decoder_model_merged.onnx for each type of numbers, the configuration of a `vision-encoder-decoder`, the
 * tokenizer's files, and captioner.js with lavis_captioner.json, which searches with beams and needs ONNX Runtime alone.
 * @returns the files' names
 * @throws ConfigError for a model that writes no captions; CheckpointError or DataError on a full disk
 */
export async function writeOnnx(model: Model, folder: string, options: OnnxOptions = {}): Promise<string[]> {
  if (!(model instanceof BlipCaption)) {
    throw new ConfigError('this model has no ONNX layout', {
      found: model.constructor.name,
      allowed: 'BlipCaption, which transformers.js takes for a vision-encoder-decoder',
    });
  }
  const { dtypes = ['fp32'], generation = {} } = options;
  const at = (name: string) => join(folder, name);
  makeFolder(at('onnx'));
  const files: Partial<Record<OnnxDtype, { encoder: string; decoder: string }>> = {};
  for (const dtype of dtypes) {
    const encoder = `onnx/encoder_model${SUFFIX[dtype]}.onnx`;
    const decoder = `onnx/decoder_model_merged${SUFFIX[dtype]}.onnx`;
    await writeGraph(at(encoder), encoderGraph(model.visualEncoder, dtype));
    await writeGraph(at(decoder), decoderGraph(model.textDecoder, dtype));
    files[dtype] = { encoder, decoder };
  }
  const { tokenizer, vit } = model;
  const lengths = { max_length: generation.maxLength ?? 30, min_length: generation.minLength ?? 10 };
  await writeJson(at('config.json'), configJson(model, dtypes));
  await writeJson(at('generation_config.json'), {
    bos_token_id: tokenizer.bosId,
    decoder_start_token_id: tokenizer.bosId,
    eos_token_id: tokenizer.sepId,
    pad_token_id: tokenizer.padId,
    ...lengths,
  });
  const preprocessor = preprocessorConfig('ViTImageProcessor', vit.imageSize, options);
  await writeJson(at('preprocessor_config.json'), preprocessor);
  await writeTokenizer(tokenizer, folder);
  await writeJson(at('lavis_captioner.json'), {
    files,
    image: { size: vit.imageSize, mean: preprocessor.image_mean, std: preprocessor.image_std },
    prompt: { text: model.prompt, ids: promptIds(model) },
    eos_id: tokenizer.sepId,
    special_ids: tokenizer.toJson().added_tokens.map(({ id }) => id),
    generation: {
      numBeams: generation.numBeams ?? 3,
      maxLength: lengths.max_length,
      minLength: lengths.min_length,
    },
    cache: cacheNames(model),
    heads: model.med.heads,
    head_size: model.med.hiddenSize / model.med.heads,
  });
  await copyFile(join(packageRoot, 'pages', 'captioner', 'captioner.js'), at('captioner.js'));
  return [
    ...Object.values(files).flatMap(({ encoder, decoder }) => [encoder, decoder]),
    ...['config.json', 'preprocessor_config.json', 'tokenizer.json', 'lavis_captioner.json', 'captioner.js'],
  ];
}

const promptIds = ({ tokenizer, prompt }: BlipCaption) => [
  tokenizer.bosId,
  ...tokenizer.encode(prompt).slice(1, -1),
];

const cacheNames = ({ med }: BlipCaption) =>
  Array.from({ length: med.layers }, (_, i) =>
    ['decoder', 'encoder'].flatMap((whose) =>
      ['key', 'value'].map((part) => `past_key_values.${i}.${whose}.${part}`),
    ),
  ).flat();

/** The names that make transformers.js look for a cache with `decoder` and `encoder` in it are trocr's. */
const configJson = ({ vit, med, tokenizer }: BlipCaption, dtypes: readonly OnnxDtype[]) => ({
  architectures: ['VisionEncoderDecoderModel'],
  model_type: 'vision-encoder-decoder',
  is_encoder_decoder: true,
  decoder_start_token_id: tokenizer.bosId,
  pad_token_id: tokenizer.padId,
  eos_token_id: tokenizer.sepId,
  encoder: {
    model_type: 'vit',
    image_size: vit.imageSize,
    patch_size: vit.patchSize,
    hidden_size: vit.width,
    num_hidden_layers: vit.depth,
    num_attention_heads: vit.heads,
  },
  decoder: {
    model_type: 'trocr',
    decoder_layers: med.layers,
    decoder_attention_heads: med.heads,
    d_model: med.hiddenSize,
    vocab_size: med.vocabSize,
    max_position_embeddings: med.maxPositions,
  },
  // In a browser it asks for q8 unless it is told.
  'transformers.js_config': { dtype: dtypes[0] },
});

async function writeGraph(path: string, [graph, tensors]: [GraphSpec, StoredTensor[]]): Promise<void> {
  try {
    await writeAside(path, (handle) =>
      writeModel(graph, tensors, async (bytes) => {
        for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at)).bytesWritten;
      }),
    );
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException)?.code === undefined) throw thrown;
    throw new CheckpointError('cannot write the model', {
      where: path,
      found: explainWriteFailure(thrown),
      cause: thrown,
    });
  }
}
