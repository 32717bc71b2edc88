import { type GraphSpec, node } from '../messages.js';
import { kernel } from '../override.js';
import { ort } from '../sessions.js';

/** Elements summed up in single precision. */
const CHUNK = 1 << 18;

const SUM = (): GraphSpec => ({
  inputs: { x: 'float32' },
  outputs: { y: 'float32' },
  nodes: [node('ReduceSumSquare', 'x', 'y', { keepdims: 0 })],
});

export function registerSumOfSquares(): void {
  kernel('LavisSumOfSquares', ({ inputs: { x }, backend }) => {
    const values = backend.values(x) as Float32Array;
    const part = new Float32Array(1);
    let total = 0;
    for (let start = 0; start < values.length; start += CHUNK) {
      const chunk = values.subarray(start, start + CHUNK);
      backend.sessions.run('SumOfSquares', SUM, { x: ort(chunk, [chunk.length]) }, { y: ort(part, []) });
      total += part[0];
    }
    const sum = backend.allocate([]);
    (backend.values(sum) as Float32Array)[0] = total;
    return sum;
  });
}
