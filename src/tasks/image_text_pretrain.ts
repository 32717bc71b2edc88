import { registry } from '../common/registry.js';
import { section } from '../config/index.js';
import { BaseTask } from './base_task.js';
import type { EvaluationResult } from './results.js';

/**
 * Image-text pretraining: logs the losses and saves a checkpoint after each epoch; quality shows in the downstream
 * tasks. Source: lavis/tasks/image_text_pretrain.py.
 */
@registry.registerTask('image_text_pretrain')
export class ImageTextPretrainTask extends BaseTask {
  static readonly configSchema = section({});
  readonly resultKey = 'instance_id';
  override readonly evaluates = false;
  override readonly primaryMetric = 'loss';

  static setupTask(): ImageTextPretrainTask {
    return new ImageTextPretrainTask();
  }

  /** The loss only. */
  override async metricNames(): Promise<readonly string[]> {
    return [];
  }

  override async evaluation(): Promise<EvaluationResult[]> {
    return [];
  }

  async afterEvaluation(): Promise<undefined> {
    return undefined;
  }
}
