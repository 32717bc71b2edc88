import { join } from 'node:path';
import { type SavedTensor, savedTensor, saveSafetensors } from '../../checkpoint/index.js';
import { writeFileAtomic } from '../../common/files.js';
import { convertFloat } from '../../common/host_tensor.js';
import { type Model, toHuggingFace } from '../../models/index.js';
import { type CardFacts, modelCard } from '../model_card.js';
import { type Preprocessing, preprocessorConfig, writeJson, writeTokenizer } from '../processor_files.js';
import { configJson, configText } from './config.js';
import { type Exportable, type Layout, layoutOf } from './layouts.js';

/** How captions or answers are generated; lengths count [DEC] and the prompt. */
export interface GenerationDefaults {
  maxLength?: number;
  minLength?: number;
  numBeams?: number;
}

export interface HuggingFaceOptions extends Preprocessing {
  /** What the weights are written as; float32 where left out. */
  dtype?: 'float32' | 'float16' | 'bfloat16';
  generation?: GenerationDefaults;
  /** What the model card says beside what the model shows. */
  card?: CardFacts;
}

const PROCESSOR = 'BlipProcessor';

/**
 * Writes the folder that transformers' BLIP classes read: model.safetensors, config.json, generation_config.json,
 * preprocessor_config.json, the tokenizer's files, and a model card. A tied output layer is written under both of its
 * names, as transformers 4 ties none when it loads.
 * @returns the files' names
 * @throws ConfigError for a model that transformers has no class for; CheckpointError or DataError on a full disk
 */
export async function writeHuggingFace(
  anyModel: Model,
  folder: string,
  options: HuggingFaceOptions = {},
): Promise<string[]> {
  const { model, layout } = layoutOf(anyModel);
  const { dtype = 'float32', generation = {}, card = {} } = options;
  const tensors = tensorsOf(model, layout, dtype);
  const at = (name: string) => join(folder, name);
  await saveSafetensors(at('model.safetensors'), tensors, { format: 'pt' });
  await writeFileAtomic(at('config.json'), configText({ ...configJson(model, layout), torch_dtype: dtype }));
  const written = ['model.safetensors', 'config.json'];
  if (layout.decoder) {
    await writeJson(at('generation_config.json'), generationConfig(model, generation));
    written.push('generation_config.json');
  }
  await writeJson(at('preprocessor_config.json'), {
    ...preprocessorConfig('BlipImageProcessor', model.vit.imageSize, options),
    processor_class: PROCESSOR,
  });
  await writeTokenizer(model.tokenizer, folder, PROCESSOR);
  await writeFileAtomic(at('README.md'), modelCard(model, layout, card));
  return [...written, 'preprocessor_config.json', 'tokenizer.json', 'vocab.txt', 'README.md'];
}

/** The weights under transformers' names. Buffers that it makes itself are left out. */
function tensorsOf(model: Exportable, { parts }: Layout, dtype: 'float32' | 'float16' | 'bfloat16') {
  const tensors = new Map<string, SavedTensor>();
  for (const [name, variable] of model.stateDict()) {
    if (!parts.includes(name.split('.')[0]) || name.endsWith('.position_ids')) continue;
    const tensor = savedTensor(variable);
    const read = async () => convertFloat(await tensor.read(), dtype);
    tensors.set(toHuggingFace(name), { ...tensor, dtype, read });
  }
  return tensors;
}

const generationConfig = (
  { tokenizer }: Exportable,
  { maxLength, minLength, numBeams }: GenerationDefaults,
) => ({
  bos_token_id: tokenizer.bosId,
  eos_token_id: tokenizer.sepId,
  pad_token_id: tokenizer.padId,
  max_length: maxLength ?? 20,
  min_length: minLength ?? 0,
  num_beams: numBeams ?? 1,
});
