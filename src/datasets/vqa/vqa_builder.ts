import { DataError } from '../../common/errors.js';
import { parseJson } from '../../common/json.js';
import { readText } from '../../common/text_file.js';
import type { DatasetClass } from '../annotated/annotated_dataset.js';
import { type AnnotatedDataset, type DatasetParts, warnOfWordless } from '../annotated/annotated_dataset.js';
import { AnnotationBuilder } from '../annotated/annotation_builder.js';
import type { Annotation } from '../annotated/annotations.js';
import type { AnnotationFile } from '../annotated/build_info.js';
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
