import assert from 'node:assert/strict';
import { copyFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { RunInterrupted } from '#src/common/errors.js';
import type { ImageEncoding } from '#src/models/index.js';
import type { RunHook, StepEvent } from '#src/runners/index.js';
import { temporaryFolder } from '../support.js';
import { contentOf, logLines, type TinyRun, tinyRun } from './tiny_run.js';

const [folder, elsewhere] = [temporaryFolder(), temporaryFolder()];
const REMEMBERED = ['model.freeze_vit=True', 'run.cache_image_embeds=True'];
const VIEWS = [...REMEMBERED, 'run.cache_views=4'];

/** What a run did. */
interface Done {
  losses: number[];
  scores: unknown;
  /** Images that went through the encoder for the cache, and batches of pixels that it saw in all. */
  encoded: number;
  seen: number;
  folder: string;
}

interface TrainOptions {
  options?: string[];
  /** Its name: runs share one, or have one each. */
  cache?: string;
  hooks?: RunHook[];
  /** Called in the middle of each batch that is encoded for the cache. */
  whileEncoding?: () => void;
}

const kept = (cache: string): string[] =>
  readdirSync(join(folder, 'caches', cache, 'image_embeds'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.safetensors'))
    .map((name) => join(folder, 'caches', cache, 'image_embeds', name))
    .sort();

describe('remembered images', () => {
  let tiny: TinyRun;
  const cacheBefore = process.env.LAVIS_CACHE_ROOT;

  const train = async (name: string, { options = REMEMBERED, cache = name, ...more }: TrainOptions = {}) => {
    process.env.LAVIS_CACHE_ROOT = join(folder, 'caches', cache);
    const done: Done = { losses: [], scores: undefined, encoded: 0, seen: 0, folder: '' };
    const noting: RunHook = { afterStep: (_run, step: StepEvent) => void done.losses.push(step.losses.loss) };
    const runner = await tiny.runner(name, options, [noting, ...(more.hooks ?? [])]);
    const model = runner.model as unknown as {
      imageEncoding(): ImageEncoding;
      visualEncoder: { forward(...args: unknown[]): unknown };
    };
    const forward = model.visualEncoder.forward.bind(model.visualEncoder);
    model.visualEncoder.forward = (...args) => {
      done.seen++;
      return forward(...args);
    };
    const encoding = model.imageEncoding();
    model.imageEncoding = () => ({
      ...encoding,
      encode(image) {
        done.encoded += image.shape[0];
        more.whileEncoding?.();
        return encoding.encode(image);
      },
    });
    done.folder = runner.folder.path;
    try {
      done.scores = await runner.train();
      return done;
    } catch (thrown) {
      throw Object.assign(thrown as Error, { done });
    } finally {
      runner.model.dispose();
    }
  };

  before(async () => {
    tiny = await tinyRun(folder);
  });
  after(() => {
    if (cacheBefore === undefined) delete process.env.LAVIS_CACHE_ROOT;
    else process.env.LAVIS_CACHE_ROOT = cacheBefore;
  });

  it('train as a frozen encoder does on the view of an evaluation, to float16, and later runs encode none', async () => {
    const options = [
      'model.freeze_vit=True',
      'datasets.coco_caption.vis_processor.train.name=blip_image_eval',
    ];
    const frozen = await train('frozen', { options });
    const first = await train('first');
    assert.equal(first.losses.length, 10);
    for (const [i, loss] of frozen.losses.entries()) {
      const apart = Math.abs(first.losses[i] - loss);
      assert.ok(apart < 1e-3 * loss, `step ${i}: ${first.losses[i]}, not ${loss}`);
    }
    assert.notDeepEqual(first.losses, frozen.losses, 'nothing was rounded: pixels were encoded');
    assert.deepEqual(first.scores, frozen.scores);
    // Ten files show six pictures, of which val and test have some: each is seen once, nothing else is.
    assert.deepEqual([first.encoded, first.seen, kept('first').length], [6, 1, 6]);

    const second = await train('second', { cache: 'first', options: [...REMEMBERED, 'run.num_workers=2'] });
    assert.deepEqual([second.encoded, second.seen], [0, 0]);
    assert.deepEqual(second.losses, first.losses);
    assert.deepEqual(second.scores, first.scores);
  });

  it('beside adapters the encoder is as frozen; a val loss is of remembered images too', async () => {
    const options = [
      'run.cache_image_embeds=True',
      'model.lora.r=2',
      'run.max_epoch=1',
      'run.monitor=val_loss',
    ];
    const { encoded, seen } = await train('adapters', { options });
    assert.deepEqual([encoded, seen], [6, 1]);
  });

  it('come in random views of the training processor, which a sample takes in turns, the same in workers', async () => {
    const one = await train('views', { options: VIEWS });
    // Six pictures in four views, and once as val and test see them.
    assert.deepEqual([one.encoded, kept('views').length], [30, 30]);
    const other = await train('views_again', { cache: 'views', options: [...VIEWS, 'run.num_workers=2'] });
    assert.deepEqual([other.encoded, other.losses], [0, one.losses]);
    const few = await train('few_views', { cache: 'views', options: [...REMEMBERED, 'run.cache_views=2'] });
    assert.equal(few.encoded, 0, 'the first views of many are those of few');
    assert.notDeepEqual(few.losses, one.losses);
    const still = ['datasets.coco_caption.vis_processor.train.name=blip_image_eval'];
    const alike = await train('alike', { options: [...VIEWS, ...still] });
    assert.equal(alike.encoded, 6, 'views of a processor that draws nothing are one');
  });

  it('do not change where a run that is stopped goes on', async () => {
    const whole = await train('whole', { options: VIEWS });
    let steps = 0;
    const stopping: RunHook = {
      afterStep: () => void (++steps === 7 && process.kill(process.pid, 'SIGINT')),
    };
    const stopped = (await train('stopped', { options: VIEWS, hooks: [stopping] }).catch(
      (thrown) => thrown,
    )) as RunInterrupted;
    assert.ok(stopped instanceof RunInterrupted, String(stopped));
    const resumed = await train('stopped', {
      options: [...VIEWS, `run.resume_ckpt_path=${stopped.checkpoint}`],
    });
    assert.equal(resumed.encoded, 0);
    assert.deepEqual([...resumed.losses], whole.losses.slice(7));
    assert.deepEqual(logLines(resumed.folder), logLines(whole.folder));
    assert.deepEqual(
      await contentOf(join(resumed.folder, 'checkpoint_1.pth')),
      await contentOf(join(whole.folder, 'checkpoint_1.pth')),
    );
  });

  it('are made to the end by the next run where a signal came while they were made', async () => {
    let batches = 0;
    const whileEncoding = () => void (++batches === 2 && process.kill(process.pid, 'SIGTERM'));
    const stopped = (await train('half', { options: VIEWS, whileEncoding }).catch(
      (thrown) => thrown,
    )) as RunInterrupted & {
      done: Done;
    };
    assert.ok(stopped instanceof RunInterrupted, String(stopped));
    assert.equal(stopped.checkpoint, undefined, 'there is nothing to save yet');
    assert.deepEqual(readdirSync(stopped.done.folder), ['result'], 'nor to log');
    const { encoded } = stopped.done;
    assert.ok(encoded > 0 && encoded < 30, `${encoded}`);
    assert.equal(kept('half').length, encoded);
    const next = await train('half_on', { cache: 'half', options: VIEWS });
    assert.equal(next.encoded, 30 - encoded);
    const { losses } = await train('at_once', { options: VIEWS });
    assert.deepEqual(next.losses, losses);
  });

  it('that are cut, swapped, damaged or of other weights are encoded again', async () => {
    const whole = await train('damaged');
    const other = await train('other_weights', { options: [...REMEMBERED, 'run.seed=3'] });
    assert.notDeepEqual(other.losses, whole.losses);
    const [cut, swapped, damaged, foreign, ...rest] = kept('damaged');
    const content = readFileSync(rest[0]);
    truncateSync(cut, 200);
    copyFileSync(rest[0], swapped);
    const bytes = readFileSync(damaged);
    bytes[bytes.length - 3] ^= 1;
    writeFileSync(damaged, bytes);
    copyFileSync(kept('other_weights').find((file) => basename(file) === basename(foreign))!, foreign);
    const mended = await train('mended', { cache: 'damaged' });
    assert.equal(mended.encoded, 4);
    assert.deepEqual(mended.losses, whole.losses);
    assert.deepEqual(readFileSync(rest[0]), content);
  });

  it('of other pictures under the same names, or of another processor, are others', async () => {
    const first = await train('pictures');
    const image = (i: number) => join(folder, 'images', `tiny_${i}.png`);
    const red = readFileSync(image(1));
    copyFileSync(image(2), image(1));
    try {
      // All pictures are there already: the changed file is known by its content.
      const changed = await train('changed', { cache: 'pictures' });
      assert.equal(changed.encoded, 0);
      assert.notDeepEqual(changed.losses, first.losses);
    } finally {
      writeFileSync(image(1), red);
    }
    const darker = ['eval', 'train'].map(
      (side) => `datasets.coco_caption.vis_processor.${side}.mean=[0.4,0.4,0.4]`,
    );
    const { encoded } = await train('darker', { cache: 'pictures', options: [...REMEMBERED, ...darker] });
    assert.equal(encoded, 6);
  });

  it('pass a picture over that cannot be read, as run.max_bad_samples says', async () => {
    const broken = join(folder, 'images', 'tiny_4.png');
    const whole = readFileSync(broken);
    writeFileSync(broken, 'broken');
    const lenient = [...REMEMBERED, 'run.max_bad_samples=2', 'run.test_splits=[]'];
    try {
      await assert.rejects(train('strict'), /more than 0 samples cannot be read|cannot be decoded/);
      const { losses } = await train('lenient', { options: lenient });
      assert.equal(losses.length, 10);
    } finally {
      writeFileSync(broken, whole);
    }
  });

  it('that are gone while a run trains end it with what goes on', async () => {
    const removing: RunHook = {
      afterStep: () => {
        for (const file of kept('gone')) truncateSync(file, 100);
      },
    };
    await assert.rejects(
      train('gone', { hooks: [removing] }),
      /remembered embeddings of an image cannot be read\n.*\n.*\n.*lavis train --resume/,
    );
  });

  it('are refused beside an encoder that is trained, and for models that read pixels otherwise', async () => {
    await assert.rejects(
      train('trained', { options: ['run.cache_image_embeds=True'] }),
      /beside a frozen image encoder alone\n.*cache_image_embeds\n.*parameters of visual_encoder are trained\n.*model\.freeze_vit=True/,
    );
    const pretrain = await tinyRun(
      elsewhere,
      { task: 'image_text_pretrain', valid_splits: [], test_splits: [] },
      0,
      {
        model: { arch: 'blip_pretrain', model_type: 'base', embed_dim: 8, queue_size: 8 },
      },
    );
    await assert.rejects(pretrain.runner('refused', REMEMBERED), /BlipPretrain with momentum copies/);
  });

  it('tell what they need and what is allowed where there is no room', async () => {
    await assert.rejects(
      train('limit', { options: [...REMEMBERED, 'run.cache_limit_gb=0.000001'] }),
      /more room than run\.cache_limit_gb allows\n.*image_embeds\n.*for 6 views of images.*; 0 are there\n.*0\.000001 GB\n.*run\.cache_limit_gb=1/,
    );
  });
});
