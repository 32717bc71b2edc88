import { convertFloat, isFloat } from '../common/convert_tensor.js';
import { CheckpointError } from '../common/errors.js';
import { openCheckpoint } from './open.js';
import { saveSafetensors, saveTorch } from './save.js';
import { isTensorRef, type LazyTensor, OrderedDict, type TensorRef } from './values.js';

export interface ConvertOptions {
  /** What floating-point tensors become; as they are where absent. Other tensors stay as they are. */
  dtype?: 'float32' | 'float16' | 'bfloat16';
}

export interface Converted {
  tensors: number;
  /** Parameters and buffers, tied ones counted once. */
  elements: number;
}

/**
 * Writes the weights of a checkpoint anew, one tensor at a time: a .safetensors file where `to` ends so,
 * else a PyTorch file {"model": …}, tied tensors sharing a storage. Only weights go over, no optimizer.
 * @throws CheckpointError when `from` cannot be read or `to` not written.
 */
export async function convertCheckpoint(
  from: string,
  to: string,
  options: ConvertOptions = {},
): Promise<Converted> {
  if (!/\.(safetensors|pth|pt|bin)$/.test(to)) {
    throw new CheckpointError(`'${to}' does not tell the format`, {
      allowed: 'a name in .pth, .pt, .bin or .safetensors',
    });
  }
  const checkpoint = await openCheckpoint(from);
  try {
    const state = checkpoint.stateDict();
    const tensors = new OrderedDict<string, LazyTensor>();
    for (const [name, tensor] of state) tensors.set(name, converted(tensor, options.dtype));
    if (to.endsWith('.safetensors')) await saveSafetensors(to, tensors, { format: 'pt' });
    else {
      tensors.attributes = attributesOf(checkpoint.root);
      await saveTorch(to, { model: tensors });
    }
    const distinct = new Map([...state.values()].map((tensor) => [tensor.identity ?? tensor, tensor]));
    const elements = [...distinct.values()].reduce((n, { shape }) => n + shape.reduce((a, b) => a * b, 1), 0);
    return { tensors: state.size, elements };
  } finally {
    await checkpoint.close();
  }
}

function converted(tensor: TensorRef, dtype: ConvertOptions['dtype']): LazyTensor {
  if (!dtype || !isFloat(tensor.dtype)) return tensor;
  return { ...tensor, dtype, read: async () => convertFloat(await tensor.read(), dtype) };
}

/** The `_metadata` that PyTorch keeps on a state dict, where the checkpoint has it. */
function attributesOf(root: unknown): Record<string, unknown> | undefined {
  const model = root instanceof OrderedDict ? root : (root as { model?: unknown } | null)?.model;
  return model instanceof OrderedDict && !isTensorRef(model) ? model.attributes : undefined;
}
