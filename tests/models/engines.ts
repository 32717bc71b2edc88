import { before, describe } from 'node:test';
import { tf } from '#src/engine/index.js';
import { backendsHere } from '../engine/engines.js';

/** The engines of this machine, and TensorFlow.js's own backend, which has none of our kernels. */
const BACKENDS = [...(await backendsHere()), 'cpu'];

/** A suite that is run on every engine. */
export function onEveryEngine(title: string, suite: (backend: string) => void): void {
  for (const backend of BACKENDS) {
    describe(`${title}, on ${backend}`, () => {
      before(async () => {
        await tf.setBackend(backend);
      });
      suite(backend);
    });
  }
}
