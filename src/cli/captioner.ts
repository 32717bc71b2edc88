import { type CaptionModel, captionModel, checkedOptions, type GenerateOptions } from '../models/index.js';
import { CaptionTask } from '../tasks/index.js';
import { type ModelArguments, type UsedModel, useModel } from './use_model.js';

/** What turns images into captions. */
export interface Captioner extends UsedModel<CaptionModel> {
  /** What the YAML and the command line say of generation. */
  settings: GenerateOptions;
}

/**
 * The model, its processor and its settings that a command line names.
 * @param asked what the command line says of generation: it goes before the YAML
 * @throws LavisError, UsageError
 */
export async function loadCaptioner(
  args: ModelArguments & { prompt?: string },
  asked: GenerateOptions,
): Promise<Captioner> {
  const told = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
  let settings: GenerateOptions = told;
  const { prompt } = args;
  // Which search it is decides on other defaults.
  const sampling = asked.useNucleusSampling;
  const used = await useModel(args, {
    command: 'lavis caption',
    arch: 'blip_caption',
    values: {
      model: prompt === undefined ? {} : { prompt },
      run: sampling === undefined ? {} : { use_nucleus_sampling: sampling },
    },
    check(config) {
      settings = { ...CaptionTask.setupTask(config).settings, ...told };
      checkedOptions(settings);
    },
    accept: captionModel,
  });
  return { ...used, settings };
}
