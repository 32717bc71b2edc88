import { toFloat32 } from '../common/convert_tensor.js';
import type { HostTensor } from '../common/host_tensor.js';
import { tf } from '../engine/index.js';

/**
 * Overwrites a variable with values of the same shape, whatever their number format. A host tensor's array
 * may become the variable's memory; a tensor is copied, as the optimizer writes variables in place.
 */
export function assignValues(variable: tf.Variable, value: tf.Tensor | HostTensor): void {
  tf.tidy(() => {
    const { shape, dtype } = variable;
    if (value instanceof tf.Tensor) {
      variable.assign(value.add(tf.scalar(0, value.dtype)).cast(dtype));
    } else {
      variable.assign(tf.tensor(dtype === 'int32' ? toInt32(value) : toFloat32(value), shape, dtype));
    }
  });
}

function toInt32({ data }: HostTensor): Int32Array {
  if (data instanceof Int32Array) return data;
  return data instanceof BigInt64Array ? Int32Array.from(data, Number) : Int32Array.from(data);
}
