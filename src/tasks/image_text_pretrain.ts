import { registry } from '../common/registry.js';
import { section } from '../config/index.js';
import { BaseTask } from './base_task.js';
import type { EvaluationResult } from './results.js';

/**
 * Pretraining on images and their texts: losses, and a checkpoint after each epoch; what was learned shows in the
 * tasks that start from it. Source: lavis/tasks/image_text_pretrain.py.
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

  /** Its loss alone. */
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
