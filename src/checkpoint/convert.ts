import { CheckpointError } from '../common/errors.js';
import { convertFloat, isFloat } from '../common/host_tensor.js';
import { openCheckpoint } from './open.js';
import { saveSafetensors, saveTorch } from './save.js';
import { indexOfShard, shardOf } from './shards.js';
import { sharedWrappers, withoutInnerWrappers } from './state_dict.js';
import { type LazyTensor, OrderedDict, type TensorRef } from './values.js';

export interface ConvertOptions {
  /** What floating-point tensors become; as they are where absent. Other tensors stay as they are. */
  dtype?: 'float32' | 'float16' | 'bfloat16';
  /**
   * Given all tensors by name: what takes the place of each, of its shape, such as a weight with an adapter in it. Its
   * numbers are rounded to the type of the tensor whose place it takes.
   */
  replace?: (tensors: ReadonlyMap<string, TensorRef>) => (name: string, tensor: TensorRef) => LazyTensor;
}

export interface Converted {
  tensors: number;
  /** Parameters and buffers, tied ones counted once. */
  elements: number;
  /** Tensors of types that cannot be read, by name; absent where there are none. */
  leftOut?: ReadonlyMap<string, string>;
}

/**
 * Writes the weights of a checkpoint anew, one tensor at a time: a .safetensors file where `to` ends so,
 * else a PyTorch file {"model": …}, tied tensors sharing a storage. Only weights go over, no optimizer; what
 * torch.compile, DistributedDataParallel or Lightning put before every name is taken off.
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
  refuseShard(from);
  const checkpoint = await openCheckpoint(from);
  try {
    const state = checkpoint.stateDict();
    const wrapped = sharedWrappers([...state.keys()]);
    const nameOf = (name: string) => withoutInnerWrappers(name.slice(wrapped));
    const named = new Map([...state].map(([name, tensor]) => [nameOf(name), tensor]));
    const replaced = options.replace?.(named);
    const tensors = new OrderedDict<string, LazyTensor>();
    for (const [name, tensor] of named) {
      tensors.set(
        name,
        converted(
          replaced?.(name, tensor) ?? tensor,
          options.dtype ?? FLOATS.find((float) => float === tensor.dtype),
        ),
      );
    }
    if (to.endsWith('.safetensors')) await saveSafetensors(to, tensors, { format: 'pt' });
    else {
      if (wrapped === 0) tensors.attributes = checkpoint.attributes();
      await saveTorch(to, { model: tensors });
    }
    const distinct = new Map([...state.values()].map((tensor) => [tensor.identity ?? tensor, tensor]));
    const elements = [...distinct.values()].reduce((n, { shape }) => n + shape.reduce((a, b) => a * b, 1), 0);
    const unreadable = checkpoint.unreadable();
    return { tensors: state.size, elements, ...(unreadable.size > 0 && { leftOut: unreadable }) };
  } finally {
    await checkpoint.close();
  }
}

const FLOATS = ['float32', 'float16', 'bfloat16'] as const;

function converted(tensor: LazyTensor, dtype: ConvertOptions['dtype']): LazyTensor {
  if (!dtype || dtype === tensor.dtype || !isFloat(tensor.dtype)) return tensor;
  return { ...tensor, dtype, read: async () => convertFloat(await tensor.read(), dtype) };
}

/** @throws CheckpointError for a part of a model, which would pass for the whole under its new name. */
function refuseShard(path: string): void {
  const shard = shardOf(path);
  if (!shard) return;
  throw new CheckpointError('the file is a part of a checkpoint', {
    where: path,
    found: `by its name, part ${shard.number} of ${shard.count}`,
    allowed: 'the index of all parts, or the folder that they lie in',
    help: indexOfShard(path),
  });
}
