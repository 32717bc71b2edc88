import { registry } from '../../common/registry.js';
import { type AnnotatedDataset, warnOfWordless } from '../annotated/annotated_dataset.js';
import { datasetSchema } from '../annotated/schema.js';
import { captionKeys, OwnCaptionsBuilder } from '../caption/own_captions.js';
import { RetrievalEvalDataset, RetrievalTrainDataset } from './retrieval_dataset.js';

/** One's own images with texts that shall find them, in all the forms that custom_caption reads. */
@registry.registerBuilder('custom_retrieval')
export class CustomRetrievalBuilder extends OwnCaptionsBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/custom/defaults_ret.yaml' };
  static override readonly configSchema = datasetSchema(captionKeys);
  readonly name = 'custom_retrieval';
  protected override readonly trainDataset = RetrievalTrainDataset;
  protected override readonly evalDataset = RetrievalEvalDataset;

  protected override checkDataset(dataset: AnnotatedDataset): void {
    warnOfWordless(dataset, 'texts');
  }
}
