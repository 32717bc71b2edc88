import { registry } from '../../common/registry.js';
import { type AnnotatedDataset, warnOfWordless } from '../annotated/annotated_dataset.js';
import { datasetSchema } from '../annotated/schema.js';
import { CaptionDataset, CustomEvalDataset } from './caption_dataset.js';
import { captionKeys, OwnCaptionsBuilder } from './own_captions.js';

/** One's own images with captions in a table, in JSON or JSONL, or in a folder (as folder_caption has them). */
@registry.registerBuilder('custom_caption')
export class CustomCaptionBuilder extends OwnCaptionsBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/custom/defaults_cap.yaml' };
  static override readonly configSchema = datasetSchema(captionKeys);
  readonly name = 'custom_caption';
  protected override readonly trainDataset = CaptionDataset;
  protected override readonly evalDataset = CustomEvalDataset;

  protected override checkDataset(dataset: AnnotatedDataset): void {
    warnOfWordless(dataset, 'captions');
  }
}
