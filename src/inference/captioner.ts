import { type CaptionModel, captionModel, checkedOptions, type GenerateOptions } from '../models/index.js';
import { CaptionTask } from '../tasks/index.js';
import { type ModelSource, type Use, type UsedModel, useModel } from './use_model.js';

/** What turns images into captions. */
export interface Captioner extends UsedModel<CaptionModel> {
  /** What the YAML and the caller say of generation. */
  settings: GenerateOptions;
}

export interface CaptionerOptions extends Pick<Use<CaptionModel>, 'caller' | 'device'> {
  /** What captions begin with, in place of the model's own. */
  prompt?: string;
  /** Goes before what the YAML says of generation; what is undefined is left to it. */
  generation?: GenerateOptions;
}

/**
 * The model, its processor and its settings that a source names; `blip_caption` where it names no architecture.
 * @throws LavisError
 */
export async function loadCaptioner(
  source: ModelSource,
  { caller, device, prompt, generation = {} }: CaptionerOptions,
): Promise<Captioner> {
  const asked = Object.fromEntries(Object.entries(generation).filter(([, value]) => value !== undefined));
  let settings: GenerateOptions = asked;
  // Which search it is decides on other defaults.
  const sampling = generation.useNucleusSampling;
  const used = await useModel(source, {
    caller,
    device,
    arch: 'blip_caption',
    values: {
      model: prompt === undefined ? {} : { prompt },
      run: sampling === undefined ? {} : { use_nucleus_sampling: sampling },
    },
    check(config) {
      settings = { ...CaptionTask.setupTask(config).settings, ...asked };
      checkedOptions(settings);
    },
    accept: captionModel,
  });
  return { ...used, settings };
}
