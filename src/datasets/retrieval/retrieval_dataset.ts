import { DataError } from '../../common/errors.js';
import { AnnotatedDataset, type DatasetParts, textOf, textsOf } from '../annotated/annotated_dataset.js';
import { type Annotation, placeOf, requireKey } from '../annotated/annotations.js';
import type { AnnotatedRecord } from '../annotated/image_reader.js';
import type { RetrievalDataset } from '../types.js';

/**
 * Image and text pairs for training: `image`, `text_input`, `image_id`, `instance_id`. Images are numbered in the
 * order in which their ids are first met. Source: lavis/datasets/datasets/retrieval_datasets.py.
 */
export class RetrievalTrainDataset extends AnnotatedDataset {
  constructor(parts: DatasetParts) {
    super(parts);
    const numbers = new Map<unknown, number>();
    for (const record of this.records) {
      const number = numbers.get(record.image_id) ?? numbers.size;
      numbers.set(record.image_id, number);
      record.image_id = number;
    }
  }

  protected toRecord(annotation: Annotation, position: number): AnnotatedRecord {
    return {
      image: textOf(annotation, 'image'),
      text_input: textOf(annotation, 'caption'),
      image_id: requireKey(annotation, 'image_id', 'string', 'number'),
      instance_id: String(position),
      source: placeOf(annotation),
    };
  }
}

/**
 * One sample an image, `image`, `index`, `instance_id`, beside all texts, processed. Entries of one image are put
 * together. Source: lavis/datasets/datasets/retrieval_datasets.py.
 */
export class RetrievalEvalDataset extends AnnotatedDataset implements RetrievalDataset {
  readonly text: string[] = [];
  readonly image: string[];
  readonly txt2img: number[] = [];
  readonly img2txt: number[][] = [];

  /** @throws DataError for an image without a text: nothing could find it. */
  constructor(parts: DatasetParts) {
    super(parts);
    this.image = this.records.map(({ image }) => String(image));
    const textsOfImage = new Map(this.image.map((image) => [image, [] as string[]]));
    for (const annotation of parts.annotations) {
      textsOfImage.get(textOf(annotation, 'image'))!.push(...textsOf(annotation, 'caption'));
    }
    for (const [index, texts] of [...textsOfImage.values()].entries()) {
      if (texts.length === 0) throw withoutText(this.records[index].source);
      this.img2txt.push(texts.map((_, i) => this.text.length + i));
      this.txt2img.push(...texts.map(() => index));
      this.text.push(...texts.map((text) => parts.textProcessor.apply(text)));
    }
  }

  /** The first images, with their texts alone. */
  head(count: number): RetrievalEvalDataset {
    const kept = new Set(this.image.slice(0, count));
    const annotations = this.parts.annotations.filter(({ values }) => kept.has(String(values.image)));
    return new RetrievalEvalDataset({ ...this.parts, annotations });
  }

  /** A pair for each text. */
  trainingForm(): RetrievalTrainDataset {
    const annotations = this.parts.annotations.flatMap((annotation) => {
      const image = textOf(annotation, 'image');
      return textsOf(annotation, 'caption').map((caption) => ({
        ...annotation,
        values: { image, image_id: image, caption },
      }));
    });
    return this.asTrained(RetrievalTrainDataset, annotations);
  }

  protected override entriesOf(annotations: Annotation[]): Annotation[] {
    const byImage = new Map<string, Annotation>();
    for (const annotation of annotations) {
      const image = textOf(annotation, 'image');
      if (!byImage.has(image)) byImage.set(image, annotation);
    }
    return [...byImage.values()];
  }

  protected toRecord(annotation: Annotation, position: number): AnnotatedRecord {
    return {
      image: textOf(annotation, 'image'),
      index: position,
      instance_id: String(position),
      source: placeOf(annotation),
    };
  }
}

const withoutText = (where: string) =>
  new DataError('an image has no text', {
    where,
    allowed: '"caption": text or a list of texts: an image that no text belongs to cannot be found',
  });
