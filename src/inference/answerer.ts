import { type AnswerOptions, checkedOptions, type QuestionModel, questionModel } from '../models/index.js';
import { VqaTask } from '../tasks/index.js';
import { defined, type ModelSource, type Use, type UsedModel, useModel } from './use_model.js';

/** What answers questions about images. */
export interface Answerer extends UsedModel<QuestionModel> {
  /** What the YAML and the caller say of answers. */
  settings: AnswerOptions;
}

/**
 * The model, its processors and its settings that a source names; `blip_vqa` where it names no architecture.
 * @param answering goes before what the YAML says of answers; what is undefined is left to it
 * @throws LavisError
 */
export async function loadAnswerer(
  source: ModelSource,
  { caller, device, answering }: Pick<Use<QuestionModel>, 'caller' | 'device'> & { answering: AnswerOptions },
): Promise<Answerer> {
  const asked = defined(answering);
  let settings: AnswerOptions = asked;
  const used = await useModel(source, {
    caller,
    device,
    arch: 'blip_vqa',
    textProcessor: 'blip_question',
    check(config) {
      const { numAnsCandidates, numBeams, maxLength, minLength } = VqaTask.setupTask(config).settings;
      settings = { numAnsCandidates, numBeams, maxLength, minLength, ...asked };
      checkedOptions({
        numBeams: settings.numBeams,
        maxLength: settings.maxLength,
        minLength: settings.minLength,
      });
    },
    accept: questionModel,
  });
  return { ...used, settings };
}
