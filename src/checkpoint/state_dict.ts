import { dictEntries, isTensorRef, OrderedDict, type TensorRef, Unreadable } from './values.js';

/** The weights in a checkpoint. */
export interface StateDict {
  readonly tensors: Map<string, TensorRef>;
  /** What cannot be read of them: names, and what each is. */
  readonly unreadable: Map<string, string>;
  /** PyTorch's `_metadata`, where the dict has it. */
  readonly attributes?: Record<string, unknown>;
}

/** Keys that training code keeps a model under; the first that holds weights is taken. */
const CONTAINERS = [
  ...['model', 'state_dict', 'model_state_dict', 'model_state', 'model_weights', 'weights', 'net', 'network'],
  ...['module', 'params', 'ema', 'model_ema', 'ema_model', 'ema_state_dict', 'params_ema'],
];
/** Keys of what is never a model. */
const NOT_A_MODEL = /optim|scaler|sched|accumulated|lavis_node|rng|config|args/i;
const DEEPEST = 4;

/**
 * The weights of a checkpoint: what lies under one of `CONTAINERS`, at any depth; else tensors by name; else the
 * one member that holds tensors by name. undefined where there are none.
 */
export function findStateDict(value: unknown, depth = 0): StateDict | undefined {
  const entries = dictEntries(value);
  if (!entries || depth > DEEPEST) return undefined;
  const own = tensorsAmong(entries, value);
  for (const key of CONTAINERS) {
    const member = entries.find(([name]) => name === key);
    const found = member && findStateDict(member[1], depth + 1);
    // A dict of weights may itself have a part named "net", say; a whole model is larger than strays beside it.
    if (found && (isAlways(key) || tensorCount(found) >= tensorCount(own))) return found;
  }
  if (tensorCount(own) > 0) return own;
  const others = entries.filter(([key]) => !NOT_A_MODEL.test(String(key)));
  const candidates = others.flatMap(([, member]) => {
    const found = findStateDict(member, depth + 1);
    return found && [...found.tensors.keys()].some((name) => name.includes('.')) ? [found] : [];
  });
  return candidates.length === 1 ? candidates[0] : undefined;
}

const isAlways = (key: string) => key === 'model' || key === 'state_dict';
const tensorCount = ({ tensors, unreadable }: StateDict) => tensors.size + unreadable.size;

function tensorsAmong(entries: readonly [unknown, unknown][], dict: unknown): StateDict {
  const tensors = new Map<string, TensorRef>();
  const unreadable = new Map<string, string>();
  for (const [name, value] of entries) {
    if (typeof name !== 'string') continue;
    if (isTensorRef(value)) tensors.set(name, value);
    else if (value instanceof Unreadable && value.kind.includes('tensor')) unreadable.set(name, value.kind);
  }
  return { tensors, unreadable, attributes: dict instanceof OrderedDict ? dict.attributes : undefined };
}

/** The class of the object that stands where weights should be: a whole model that was pickled. */
export function pickledObject(root: unknown): string | undefined {
  if (root instanceof Unreadable) return root.kind;
  const members = dictEntries(root) ?? [];
  for (const key of CONTAINERS) {
    const value = members.find(([name]) => name === key)?.[1];
    if (value instanceof Unreadable) return value.kind;
  }
  return undefined;
}

/** What wraps a model and puts its own name before each of the model's. */
const WRAPPER = /^(module|_orig_mod|model|_forward_module|_fsdp_wrapped_module)\./;
/** Wrappers that may stand in the middle of a name too, and never belong to it. */
const INNER_WRAPPERS = /(^|\.)(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)(?=\.)/g;

/** A name without what torch.compile and FSDP put into it. */
export const withoutInnerWrappers = (name: string): string =>
  name.replace(INNER_WRAPPERS, '').replace(/^\./, '');

/** How many leading characters of every name are those of wrappers, nested ones included. */
export function sharedWrappers(names: readonly string[]): number {
  let length = 0;
  for (;;) {
    const wrapper = WRAPPER.exec(names[0]?.slice(length) ?? '')?.[0];
    if (!wrapper || !names.every((name) => name.startsWith(wrapper, length))) return length;
    length += wrapper.length;
  }
}
