import { DataError } from '../../common/errors.js';
import { parseJson } from '../../common/json.js';
import { registry } from '../../common/registry.js';
import { readText } from '../../common/text_file.js';
import {
  type AnnotatedDataset,
  type DatasetClass,
  type DatasetParts,
  textsOf,
  warnOfWordless,
} from '../annotated/annotated_dataset.js';
import { AnnotationBuilder } from '../annotated/annotation_builder.js';
import { type Annotation, placeOf } from '../annotated/annotations.js';
import type { AnnotationFile } from '../annotated/build_info.js';
import type { AnnotatedRecord } from '../annotated/image_reader.js';
import { cocoImages, VISUAL_GENOME_IMAGES } from '../sources.js';
import type { Split } from '../types.js';
import { VqaEvalDataset, type VqaParts, VqaTrainDataset } from './vqa_dataset.js';

/**
 * Base of builders of questions about images. The files of an evaluation split are, in this order: its questions, the
 * list of answers to choose among, and the questions and annotations of the official scorer, as far as there are any.
 */
export abstract class VqaBuilder extends AnnotationBuilder {
  protected override readonly trainDataset: DatasetClass = VqaTrainDataset;
  protected override readonly evalDataset?: DatasetClass = VqaEvalDataset;

  protected override readFiles(split: Split, files: AnnotationFile[]): Promise<Annotation[]> {
    return super.readFiles(split, split === 'train' ? files : files.slice(0, 1));
  }

  protected override async complete(parts: DatasetParts, split: Split): Promise<VqaParts> {
    if (split === 'train') return parts;
    const [, answers, questionsFile, annotationsFile] = parts.files ?? [];
    const answerList = answers ? await readAnswerList(answers) : undefined;
    return { ...parts, answerList, questionsFile, annotationsFile };
  }

  protected override checkDataset(dataset: AnnotatedDataset): void {
    warnOfWordless(dataset, 'questions');
  }
}

/** The answers of a JSON list, or of a text with one a line, each once. @throws DataError for anything else */
export async function readAnswerList(file: string): Promise<string[]> {
  const text = await readText(file, { what: 'a list of answers' });
  const answers: unknown =
    /\.json$/i.test(file) || /^\s*[[{]/.test(text)
      ? parseJson(text, 'a list of answers', file)
      : text
          .split(/\r\n|\n|\r/)
          .map((line) => line.trim())
          .filter(Boolean);
  const list: unknown[] = Array.isArray(answers) ? answers : [answers];
  const wrong = list.findIndex((answer) => typeof answer !== 'string');
  if (list.length > 0 && wrong < 0) return [...new Set(list as string[])];
  throw new DataError(`a list of answers ${list.length > 0 ? 'cannot be used' : 'is empty'}`, {
    where: Array.isArray(answers) && wrong >= 0 ? `${file}, entry ${wrong}` : file,
    found: list.length > 0 ? JSON.stringify(list[wrong]).slice(0, 160) : undefined,
    allowed: '["yes", "no", …], or a text with an answer a line',
  });
}

/** VQA v2: ten people's answers to questions about COCO's images. Source: arXiv:1612.00837. */
@registry.registerBuilder('coco_vqa')
export class CocoVqaBuilder extends VqaBuilder {
  static readonly defaultConfigs = {
    default: 'configs/datasets/coco/defaults_vqa.yaml',
    eval: 'configs/datasets/coco/eval_vqa.yaml',
  };
  readonly name = 'coco_vqa';
  /** Trained on the training and the validation questions, for the test server. */
  protected override readonly imageSource = cocoImages({
    train: ['train2014', 'val2014'],
    val: ['val2014'],
    test: ['test2015'],
  });
}

/** Visual Genome's questions, one answer each: for training beside coco_vqa. Source: arXiv:1602.07332. */
@registry.registerBuilder('vg_vqa')
export class VgVqaBuilder extends VqaBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/vg/defaults_vqa.yaml' };
  readonly name = 'vg_vqa';
  protected override readonly evalDataset = undefined;
  protected override readonly imageSource = VISUAL_GENOME_IMAGES;
}

/** OK-VQA: questions about COCO's images that take outside knowledge; its test split is val2014. Source: arXiv:1906.00067. */
@registry.registerBuilder('ok_vqa')
export class OkVqaBuilder extends VqaBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/okvqa/defaults.yaml' };
  readonly name = 'ok_vqa';
  protected override readonly imageSource = cocoImages({ train: ['train2014'], test: ['val2014'] });
}

/** Trains on the answers that people gave freely. */
class AokVqaTrainDataset extends VqaTrainDataset {
  protected override answersOf(annotation: Annotation): string[] {
    return textsOf(annotation, 'direct_answers');
  }
}

/**
 * Questions with `choices`, `correct_choice_idx` and `direct_answers`, the last two null in the test split.
 * Source: lavis/datasets/datasets/aok_vqa_datasets.py.
 */
class AokVqaEvalDataset extends VqaEvalDataset {
  protected override readonly trainedAs = AokVqaTrainDataset;

  protected override toRecord(annotation: Annotation, position: number): AnnotatedRecord {
    const { correct_choice_idx: correct = null, direct_answers } = annotation.values;
    const choices = textsOf(annotation, 'choices');
    if (correct !== null && choices[correct as number] === undefined) {
      throw new DataError("an annotation's 'correct_choice_idx' is not one of its choices", {
        where: placeOf(annotation),
        found: JSON.stringify(correct),
        allowed: `0 to ${choices.length - 1}`,
      });
    }
    return {
      ...super.toRecord(annotation, position),
      choices,
      correct_choice_idx: correct,
      direct_answers: direct_answers == null ? null : this.answersOf(annotation),
    };
  }

  protected override answersOf(annotation: Annotation): string[] {
    return textsOf(annotation, 'direct_answers');
  }
}

/** A-OKVQA: questions that take knowledge of the world. Source: arXiv:2206.01718. */
@registry.registerBuilder('aok_vqa')
export class AokVqaBuilder extends VqaBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/aokvqa/defaults.yaml' };
  readonly name = 'aok_vqa';
  protected override readonly trainDataset = AokVqaTrainDataset;
  protected override readonly evalDataset = AokVqaEvalDataset;
  // COCO's split of 2017 cuts the same images otherwise.
  protected override readonly imageSource = cocoImages({
    train: ['train2014', 'val2014'],
    val: ['train2014', 'val2014'],
    test: ['test2015'],
  });
}
