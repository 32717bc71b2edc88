import { log } from '../common/logging.js';
import type { Run } from '../runners/index.js';
import { calledAs, defineCommand } from './command.js';
import { loadConfig } from './config_options.js';
import { launchOptions, launchWorkers, runOptions, showResult } from './run_options.js';

export const train = defineCommand({
  options: {
    ...runOptions,
    ...launchOptions,
    resume: {
      type: 'boolean',
      default: false,
      describe: 'Go on from the newest whole checkpoint of output_dir, or of --job-id, in its folder',
    },
    'dry-run': {
      type: 'boolean',
      default: false,
      describe: 'Try everything once and tell memory, time and disk that the run takes; nothing stays',
    },
  },
  examples: [
    [
      'lavis train --cfg-path projects/blip/train/caption_shapes.yaml',
      'a small model from scratch, in minutes, without downloads',
    ],
    [
      'lavis train --cfg-path projects/blip/train/caption_coco_ft.yaml --options run.batch_size_train=4 run.max_epoch=1',
      'fine-tunes BLIP base on COCO captions',
    ],
    [
      'lavis train --cfg-path projects/blip/train/caption_coco_ft.yaml --dry-run',
      'does it fit, how long will it take',
    ],
    ['lavis train --cfg-path projects/blip/train/caption_shapes.yaml --resume', 'goes on after a stop'],
    [
      'lavis train --cfg-path projects/blip/train/caption_coco_ft.yaml --nproc-per-node 8',
      'eight workers on one machine; over several machines: mpirun -np 16 lavis train …',
    ],
  ],
  epilogue:
    'Ctrl-C finishes the step, saves checkpoint_latest.pth and exits with 130; a second one stops at once. ' +
    'SIGTERM and a closed terminal (SIGHUP) save too; nohup lavis train … goes on without its terminal.',
  async handler(args) {
    const { dryRun, findJob, train: runTraining } = await import('../runs/index.js');
    const asked = await loadConfig(args);
    const ended = await launchWorkers('train', args, asked, {
      job: args['dry-run'] ? undefined : () => findJob(asked, { resume: args.resume, jobId: args['job-id'] }),
      restart: args.resume ? [] : ['--resume'],
    });
    if (ended !== undefined) return ended;
    if (args['dry-run']) {
      await dryRun(asked, args.device);
      return 0;
    }
    const { resume, device, 'job-id': jobId } = args;
    const hooks = [{ beforeTraining: tellFolder }];
    await showResult(await runTraining(asked, { resume, device, jobId, hooks }));
    return undefined;
  },
});

function tellFolder({ folder: { path } }: Run): void {
  log.info(`Logs and checkpoints go to ${path}\nTo follow the run: ${calledAs()} watch ${path}`);
}
