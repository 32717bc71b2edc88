import { log } from '../common/logging.js';
import type { Overrides } from '../config/index.js';
import { agreeOnJob, findJob, joinRun, makeRunner, prepareRun } from '../runs/index.js';
import { defineCommand } from './command.js';
import { loadConfig, NO_NAMED_WEIGHTS, namedWeights } from './config_options.js';
import { finishRun } from './finish_run.js';
import { launchOptions, launchWorkers } from './launch_workers.js';
import { runOptions } from './run_options.js';

export const evaluate = defineCommand({
  command: 'eval',
  whenOutputIsLost: 'fail',
  describe: 'Caption and score the test images of a YAML',
  options: {
    ...runOptions,
    ...launchOptions,
    checkpoint: {
      type: 'string',
      requiresArg: true,
      describe: "Weights to evaluate, in place of the model section's",
    },
  },
  examples: [
    [
      'lavis eval --cfg-path projects/blip/eval/caption_coco_eval.yaml',
      "scores BLIP base on COCO's test split",
    ],
    [
      'lavis eval --cfg-path projects/blip/train/caption_shapes.yaml --checkpoint output/BLIP/Caption_shapes/20260723101500/checkpoint_best.pth',
      'scores what a training run made',
    ],
  ],
  async handler(args) {
    const overrides: Overrides[] = [{ values: { run: { evaluate: true } }, origin: 'lavis eval' }];
    if (args.checkpoint) {
      const values = { run: { resume_ckpt_path: args.checkpoint }, model: NO_NAMED_WEIGHTS };
      overrides.push({ values, origin: `--checkpoint ${args.checkpoint}` });
    }
    const config = await loadConfig(args, { overrides });
    const named = { 'job-id': args['job-id'] };
    const ended = await launchWorkers('eval', args, config, { job: () => findJob(config, named) });
    if (ended !== undefined) return ended;
    if (!config.run.resume_ckpt_path && !namedWeights(config.model)) {
      log.warn('the YAML names no weights: those that are scored are random (--checkpoint FILE)');
    }
    const comm = await joinRun(config);
    const job = await agreeOnJob(comm, config, named);
    const prepared = await prepareRun(config, { device: args.device, training: false, comm });
    const runner = await makeRunner(prepared, job);
    return finishRun(runner, () => runner.evaluate());
  },
});
