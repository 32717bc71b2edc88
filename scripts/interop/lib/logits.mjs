import { openCheckpoint, saveSafetensors } from '../../../dist/checkpoint/index.js';
import { tf } from '../../../dist/index.js';

/** ids and mask of [DEC] text [SEP], padded. */
function padded(rows) {
  const width = Math.max(...rows.map((row) => row.length));
  const values = (value) =>
    Int32Array.from(rows.flatMap((row) => [...Array(width).keys()].map((i) => value(row, i))));
  return { width, ids: values((row, i) => row[i] ?? 0), mask: values((row, i) => (i < row.length ? 1 : 0)) };
}

/** A captioner's logits of pictures and their texts. */
export async function logitsOf(model, image, texts) {
  const out = tf.tidy(() => {
    const { loss: _, ...rest } = model.forward({ image, text_input: texts });
    return rest.intermediateOutput.decoderOutput.logits;
  });
  const values = await out.data();
  out.dispose();
  return values;
}

/** The largest difference over tokens that are not padding. */
export function farthest(ours, theirs, mask) {
  const size = ours.length / mask.length;
  let worst = 0;
  for (let i = 0; i < ours.length; i++) {
    if (mask[Math.floor(i / size)]) worst = Math.max(worst, Math.abs(ours[i] - theirs[i]));
  }
  return worst;
}

/** The logits that the other side saved. */
export async function readLogits(file) {
  const checkpoint = await openCheckpoint(file);
  const { data } = await checkpoint.stateDict().get('logits').read();
  await checkpoint.close();
  return data;
}

/** Saves pictures and encoded texts as the other side reads them. @returns which tokens are not padding */
export async function saveInputs(file, { model, image, encoded }) {
  const { width, ids, mask } = padded(encoded.map(([, ...rest]) => [model.tokenizer.bosId, ...rest]));
  const rows = [encoded.length, width];
  const tensors = new Map([
    ['pixels', { dtype: 'float32', shape: image.shape, data: await image.data() }],
    ['ids', { dtype: 'int32', shape: rows, data: ids }],
    ['mask', { dtype: 'int32', shape: rows, data: mask }],
  ]);
  await saveSafetensors(file, tensors);
  return mask;
}
