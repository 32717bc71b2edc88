import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { isTensorRef, openCheckpoint } from '#src/checkpoint/index.js';
import { Config } from '#src/index.js';
import type { BaseRunner, RunHook } from '#src/runners/index.js';
import { makeRunner, prepareRun } from '#src/runs/prepare_run.js';
import { tinySection } from '../models/tiny.js';

const COLOURS = ['red', 'green', 'blue', 'white', 'black', 'yellow'];

/** A folder with ten small images, their captions, and a run's YAML: a model that trains in a moment. */
export interface TinyRun {
  folder: string;
  yaml: string;
  /** A run with these options, its output in `folder`/`name`. */
  runner(name: string, options?: string[], hooks?: RunHook[]): Promise<BaseRunner>;
  /** `--options` that send the output to `folder`/`name`. */
  output(name: string): string[];
}

/**
 * @param folder a temporary one of the test file
 * @param noise rate of dropout; stochastic depth has twice as much
 * @param other of the model's section, and the dataset: those of captioning unless given
 */
export async function tinyRun(
  folder: string,
  run: Record<string, unknown> = {},
  noise = 0.1,
  { model = {}, dataset = 'coco_caption' }: { model?: Record<string, unknown>; dataset?: string } = {},
): Promise<TinyRun> {
  await writeImages(folder);
  const yaml = join(folder, 'run.yaml');
  const sections = {
    model: { ...smallModel(noise), ...model },
    datasets: datasets(folder, dataset),
    run: runSection(run),
  };
  writeFileSync(yaml, JSON.stringify(sections));
  const output = (name: string) => [`run.output_dir=${join(folder, name)}`];
  return {
    folder,
    yaml,
    output,
    async runner(name, options = [], hooks = []) {
      const config = await Config.fromFile(yaml, [...output(name), ...options]);
      const parts = await prepareRun(config, { device: 'cpu', training: true });
      return makeRunner({ ...parts, hooks }, 'job');
    },
  };
}

async function writeImages(folder: string): Promise<void> {
  mkdirSync(join(folder, 'images'));
  const annotations = Array.from({ length: 10 }, (_, i) => {
    const colour = COLOURS[i % COLOURS.length];
    return { image: `tiny_${i + 1}.png`, image_id: `tiny_${i + 1}`, caption: `a ${colour} ball`, colour };
  });
  await Promise.all(
    annotations.map(({ image, colour }) =>
      sharp({ create: { width: 40, height: 32, channels: 3, background: colour } })
        .png()
        .toFile(join(folder, 'images', image)),
    ),
  );
  const entries = annotations.map(({ colour: _, ...entry }) => entry);
  writeFileSync(join(folder, 'train.json'), JSON.stringify(entries));
  for (const [split, from] of [
    ['val', 0],
    ['test', 3],
  ] as const) {
    const some = entries.slice(from, from + 3).map(({ image, caption }) => ({ image, caption: [caption] }));
    writeFileSync(join(folder, `${split}.json`), JSON.stringify(some));
  }
}

/** Dropout and stochastic depth are on: an exact resume has to restore the model's generator. */
export function smallModel(noise: number): Record<string, unknown> {
  const med = {
    hidden_size: 12,
    intermediate_size: 16,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    max_position_embeddings: 32,
    encoder_width: 8,
    hidden_dropout_prob: noise,
    attention_probs_dropout_prob: noise,
  };
  const vit = {
    vit_embed_dim: 8,
    vit_depth: 2,
    vit_num_heads: 2,
    vit_patch_size: 16,
    vit_drop_path_rate: 0.2,
  };
  return { model_type: 'base_coco', ...tinySection({ ...vit, image_size: 32 }, med) };
}

function datasets(folder: string, name: string): Record<string, unknown> {
  const processor = (name: string) => ({ name, image_size: 32 });
  const storage = (split: string) => ({ url: null, md5: null, storage: join(folder, `${split}.json`) });
  return {
    [name]: {
      vis_processor: { train: processor('blip_image_train'), eval: processor('blip_image_eval') },
      text_processor: {
        train: { name: 'blip_caption', prompt: 'a picture of ' },
        eval: { name: 'blip_caption' },
      },
      build_info: {
        annotations: { train: storage('train'), val: storage('val'), test: storage('test') },
        images: { storage: join(folder, 'images') },
      },
    },
  };
}

function runSection(run: Record<string, unknown>): Record<string, unknown> {
  const { task = 'captioning' } = run;
  return {
    task,
    lr_sched: 'linear_warmup_cosine_lr',
    init_lr: 1e-2,
    warmup_lr: 1e-4,
    warmup_steps: 3,
    max_epoch: 2,
    batch_size_train: 2,
    batch_size_eval: 2,
    ...(task === 'captioning' && { num_beams: 2, max_len: 12 }),
    log_freq: 100,
    train_splits: ['train'],
    valid_splits: ['val'],
    test_splits: ['test'],
    device: 'cpu',
    ...run,
  };
}

/** Everything of a checkpoint but its tensors' place in the file, numbers read. */
export async function contentOf(path: string): Promise<unknown> {
  const checkpoint = await openCheckpoint(path);
  const { model, optimizer } = checkpoint.root as Record<string, unknown>;
  const content = await resolved({ model, optimizer });
  await checkpoint.close();
  return content;
}

async function resolved(value: unknown): Promise<unknown> {
  if (isTensorRef(value)) return (await value.read()).data;
  if (Array.isArray(value)) return Promise.all(value.map(resolved));
  if (value instanceof Map) return resolved(Object.fromEntries(value));
  if (typeof value !== 'object' || value === null) return value;
  const entries = await Promise.all(
    Object.entries(value).map(async ([k, v]) => [k, await resolved(v)] as const),
  );
  return Object.fromEntries(entries);
}

/** The lines of a run's log without the first, the configuration. */
export function logLines(folder: string): string[] {
  return readFileSync(join(folder, 'log.txt'), 'utf8').trimEnd().split('\n').slice(1);
}
