import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type HostTensor, toFloat32 } from '#src/common/host_tensor.js';
import type { PlainObject } from '#src/config/index.js';
import { tf } from '#src/engine/index.js';
import { BlipCaption } from '#src/models/index.js';
import { readAll } from '../checkpoint/support.js';
import { fixture, fixtureJson } from '../support.js';

/** The tensors of a safetensors fixture. */
export const readTensors = (...parts: string[]) => readAll(fixture(...parts));

interface TinyConfig {
  vit: Record<string, number>;
  med_config: Record<string, unknown>;
}

export const tinyConfig = fixtureJson<TinyConfig>('tiny_caption', 'config.json');

const folder = mkdtempSync(join(tmpdir(), 'lavis-tiny-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
let sections = 0;

/** The `model` section of the fixture's model, without weights. */
export function tinySection(overrides: PlainObject = {}, med: PlainObject = {}): PlainObject {
  const medPath = join(folder, `med${sections++}.json`);
  writeFileSync(medPath, JSON.stringify({ ...tinyConfig.med_config, ...med }));
  const { vit } = tinyConfig;
  return {
    arch: 'blip_caption',
    load_finetuned: false,
    load_pretrained: false,
    vit_type: 'custom',
    vit_embed_dim: vit.embed_dim,
    vit_depth: vit.depth,
    vit_num_heads: vit.num_heads,
    vit_patch_size: vit.patch_size,
    image_size: 64,
    med_config_path: medPath,
    prompt: 'a picture of ',
    tokenizer: fixture('tiny_caption', 'vocab.txt'),
    ...overrides,
  };
}

/** The fixture's model with its weights. */
export async function tinyModel(overrides: PlainObject = {}): Promise<BlipCaption> {
  const finetuned = fixture('tiny_caption', 'weights.safetensors');
  return BlipCaption.fromConfig(tinySection({ load_finetuned: true, finetuned, ...overrides }));
}

/** An image fixture, [B, 3, H, W], as the models take it; `rows` selects images. */
export function images({ shape, data }: HostTensor, rows?: readonly number[]): tf.Tensor4D {
  return tf.tidy(() => {
    const all = tf.tensor4d(data as Float32Array, shape as [number, number, number, number]);
    const chosen = rows ? tf.gather(all, tf.tensor1d([...rows], 'int32')) : all;
    return chosen.transpose([0, 2, 3, 1]);
  });
}

/** The largest absolute difference between a tensor and what the fixture says. */
export async function maxDifference(actual: tf.Tensor, expected: HostTensor): Promise<number> {
  const values = await actual.data();
  const wanted = toFloat32(expected);
  if (values.length !== wanted.length) throw new Error(`${values.length} values for ${wanted.length}`);
  return wanted.reduce((worst, value, i) => Math.max(worst, Math.abs(value - values[i])), 0);
}

/** The number in a scalar. */
export const numberIn = async (scalar: tf.Tensor): Promise<number> => (await scalar.data())[0];
