import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RgbImage } from '#src/processors/index.js';
import { lookCells } from '#src/reports/index.js';

const white = (side: number): RgbImage => ({
  data: new Uint8Array(3 * side * side).fill(255),
  width: side,
  height: side,
});

test('a word lights the patch that was looked at most, and dims what was not', async () => {
  const weights = Float32Array.from([0, 0, 0.1, 0.4]); // rows of two
  const [cell] = lookCells(white(40), [{ word: 'dog', weights, rows: 2, columns: 2 }]);
  assert.equal(cell.text, 'dog');
  const { data, width, height } = await cell.picture();
  assert.deepEqual([width, height], [40, 40]);
  const light = (x: number, y: number) => data[3 * (40 * y + x)] / 255;
  assert.ok(Math.abs(light(0, 0) - 0.3) < 0.01, 'not looked at');
  assert.ok(Math.abs(light(39, 39) - 1) < 0.01, 'looked at most');
  assert.ok(Math.abs(light(0, 39) - (0.3 + 0.7 * 0.25)) < 0.01, 'a quarter of it');
  const between = light(20, 39);
  assert.ok(between > light(0, 39) && between < light(39, 39), 'no steps');
});

test('a picture that nothing was looked at in stays dark', async () => {
  const [cell] = lookCells(white(4), [{ word: 'a', weights: new Float32Array(4), rows: 2, columns: 2 }]);
  const { data } = await cell.picture();
  assert.ok(data.every((value) => Math.abs(value - 0.3 * 255) <= 1));
});
