import { type GraphSpec, node } from '../messages.js';
import { kernel } from '../override.js';

/** y = target op x, of one shape, over the target's memory where nobody else holds it. */
function registerInto(name: string, op: string): void {
  kernel(name, ({ inputs: { target, x }, backend }) => {
    const y = backend.isExclusive(target)
      ? backend.view(target, target.shape)
      : backend.allocate(target.shape);
    if (target.shape.includes(0)) return y;
    const spec = (): GraphSpec => ({
      inputs: { a: 'float32', b: 'float32' },
      outputs: { y: 'float32' },
      nodes: [node(op, ['a', 'b'], 'y')],
    });
    backend.sessions.run(op, spec, { a: backend.ort(target), b: backend.ort(x) }, { y: backend.ort(y) });
    return y;
  });
}

export function registerInPlace(): void {
  registerInto('LavisAddInto', 'Add');
  registerInto('LavisMultiplyInto', 'Mul');
}
