import { didYouMean } from '../../common/suggest.js';
import { conflictsIn, schemaOf } from '../schema/compose.js';
import { schemaAt, toJsonSchema } from '../schema/describe.js';
import { isPlainObject, type PlainObject, type PlainValue } from '../tree.js';
import { type Faults, found } from './faults.js';

/** Values that are right alone and wrong together. */
export function checkTogether(faults: Faults, { model, datasets, run }: PlainObject): void {
  const [modelKeys, runKeys] = [mapping(model), mapping(run)];
  checkConflicts(faults, runKeys);
  checkSplits(faults, runKeys, mapping(datasets));
  const training = faults.options.training ?? runKeys.evaluate !== true;
  checkImageSizes(faults, modelKeys.image_size, mapping(datasets), training);
}

const mapping = (value: PlainValue | undefined): PlainObject => (isPlainObject(value) ? value : {});

/** What the classes that `run` chooses say of its values. */
function checkConflicts(faults: Faults, run: PlainObject): void {
  for (const { key, headline, ...details } of conflictsIn(faults.registry, run))
    faults.add(['run', key], headline, details);
}

/** Splits that no dataset has. */
function checkSplits(faults: Faults, run: PlainObject, datasets: PlainObject): void {
  const annotated = Object.values(datasets).flatMap((dataset) =>
    Object.keys(mapping(mapping(mapping(dataset).build_info).annotations)),
  );
  const known = new Set(['train', 'val', 'test', ...annotated]);
  for (const key of ['train_splits', 'valid_splits', 'test_splits']) {
    const splits = Array.isArray(run[key]) ? run[key] : [];
    for (const [i, split] of splits.entries()) {
      if (typeof split !== 'string' || known.has(split)) continue;
      faults.add(['run', key, String(i)], `run.${key} names a split that no dataset has`, {
        found: found(split, { close: didYouMean(split, known) }),
        allowed: [...known].join(', '),
      });
    }
  }
}

/** The model takes squares of one size: processors that make another fail in the first step. */
function checkImageSizes(
  faults: Faults,
  wanted: PlainValue | undefined,
  datasets: PlainObject,
  training: boolean,
): void {
  if (typeof wanted !== 'number') return;
  for (const [dataset, section] of Object.entries(datasets)) {
    for (const [side, processor] of Object.entries(mapping(mapping(section).vis_processor))) {
      const { name, image_size } = mapping(processor);
      if (typeof name !== 'string' || (side === 'train' && !training)) continue;
      const schema = schemaOf(faults.registry, 'processor', name);
      const size = image_size ?? (schema && schemaAt(toJsonSchema(schema), ['image_size'])?.default);
      if (typeof size !== 'number' || size === wanted) continue;
      const path = ['datasets', dataset, 'vis_processor', side, 'image_size'];
      faults.add(path, `${path.join('.')} is not the image size of the model`, {
        found: image_size === undefined ? `${size}, the default of ${name}` : `${size}`,
        allowed: `${wanted}, as model.image_size`,
        help: `--options ${path.join('.')}=${wanted}, or model.image_size=${size}`,
      });
    }
  }
}
