import { DataError } from '../../common/errors.js';

/** Files of captions that are not lists of `image` and `caption`. */
const FORMS: readonly [name: string, is: (root: Record<string, unknown>) => boolean][] = [
  ["Karpathy's own (images with their sentences)", ({ images }) => someHave(images, 'sentences')],
  ["COCO's own (images and annotations)", ({ images, annotations }) => isList(images) && isList(annotations)],
  ["COCO's own, without annotations", ({ images }) => someHave(images, 'file_name')],
  ["TextCaps's own (data)", ({ data }) => isTextCaps(data)],
];

/** The entries of TextCaps's `data`. */
export const isTextCaps = (data: unknown): data is Record<string, unknown>[] =>
  someHave(data, 'caption_str') || someHave(data, 'reference_strs');

/** @throws DataError that names the form of a file that another dataset reads */
export function refuseOtherForm(root: object, file: string): void {
  const form = FORMS.find(([, is]) => is(root as Record<string, unknown>));
  if (!form) return;
  throw new DataError("an annotation file is not in LAVIS's form", {
    where: file,
    found: `${form[0]}: keys ${Object.keys(root).join(', ').slice(0, 120)}`,
    allowed: '[{"image": "…", "caption": "…", …}, …]',
    help:
      'the dataset custom_caption reads it (datasets.custom_caption.build_info.annotations); ' +
      "coco_caption takes LAVIS's coco_karpathy_*.json, which it downloads",
  });
}

const isList = (value: unknown): value is unknown[] => Array.isArray(value);

const someHave = (list: unknown, key: string) =>
  isList(list) && list.some((entry) => typeof entry === 'object' && entry !== null && key in entry);
