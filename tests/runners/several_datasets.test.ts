import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { RunInterrupted } from '#src/common/errors.js';
import { temporaryFolder } from '../support.js';
import { contentOf, logLines, tinyRun } from './tiny_run.js';

const OPTIONS = ['run.train_dataset_ratios=[5,3,2]', 'run.test_splits=[]'];

test('a run over three datasets at ratios, stopped and resumed, ends bit-equal', async () => {
  const tiny = await tinyRun(temporaryFolder());
  addDatasets(tiny.yaml, tiny.folder);
  const whole = await tiny.runner('whole', OPTIONS);
  await whole.train();
  // An epoch has 5 + 2 + 2 batches: the eleventh is in the second.
  const stopped = await tiny.runner('stopped', OPTIONS, [stopAfter(11)]);
  const interrupted = await stopped.train().catch((thrown: unknown) => thrown);
  assert.ok(interrupted instanceof RunInterrupted, String(interrupted));
  const resume = `run.resume_ckpt_path=${interrupted.checkpoint}`;
  const resumed = await tiny.runner('stopped', [...OPTIONS, resume]);
  await resumed.train();
  assert.deepEqual(logLines(resumed.folder.path), logLines(whole.folder.path));
  const checkpoint = (folder: string) => contentOf(join(folder, 'checkpoint_1.pth'));
  assert.deepEqual(await checkpoint(resumed.folder.path), await checkpoint(whole.folder.path));
});

function stopAfter(steps: number) {
  let done = 0;
  return {
    afterStep: () => {
      if (++done === steps) process.kill(process.pid, 'SIGINT');
    },
  };
}

/** The first images once more, as vg_caption and custom_caption with other words. */
function addDatasets(yaml: string, folder: string): void {
  const config = JSON.parse(readFileSync(yaml, 'utf8'));
  const { vis_processor, text_processor } = config.datasets.coco_caption;
  const entries = [1, 2, 3, 4].map((i) => ({
    image: `tiny_${i}.png`,
    caption: `a ball ${'very '.repeat(i)}red`,
  }));
  writeFileSync(join(folder, 'more.json'), JSON.stringify(entries));
  const more = (annotations: object) => ({
    vis_processor,
    text_processor,
    build_info: { annotations, images: { storage: join(folder, 'images') } },
  });
  const file = { url: null, storage: join(folder, 'more.json') };
  config.datasets.vg_caption = more({ train: file });
  config.datasets.custom_caption = more({ all: null, train: file });
  writeFileSync(yaml, JSON.stringify(config));
}
