import type { Overrides } from '../config/index.js';
import { defineCommand } from './command.js';
import { loadConfig } from './config_options.js';
import { launchOptions, launchWorkers, runOptions, showResult } from './run_options.js';

export const evaluate = defineCommand({
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
    const { findJob, evaluate: runEvaluation, weightsToEvaluate } = await import('../runs/index.js');
    const { checkpoint, device, 'job-id': jobId } = args;
    const overrides: Overrides[] = [{ values: { run: { evaluate: true } }, origin: 'lavis eval' }];
    let config = await loadConfig(args, { overrides });
    if (checkpoint) {
      const { values, origin } = weightsToEvaluate(checkpoint, config.model);
      config = config.with(values, origin);
    }
    const ended = await launchWorkers('eval', args, config, { job: () => findJob(config, { jobId }) });
    if (ended !== undefined) return ended;
    await showResult(await runEvaluation(config, { device, jobId }));
    return undefined;
  },
});
