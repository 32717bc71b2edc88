import {
  DTYPE_NAMES,
  DTYPES,
  type ElementType,
  FOREIGN_DTYPE_NAMES,
  FOREIGN_DTYPES,
  isForeign,
} from './dtypes.js';
import { numpyGlobals } from './numpy.js';
import { AttributeInstance, ForeignGlobal, Global, OpaqueInstance } from './pickled.js';
import { type TorchStorage, viewOf } from './storage.js';
import { OrderedDict } from './values.js';

/** The class of a storage in a persistent id. */
export class StorageType {
  constructor(readonly dtype: ElementType | undefined) {}
}

/** What a persistent id becomes: a storage that tensors look into. */
export class StorageInstance {
  constructor(readonly storage: TorchStorage) {}
}

/** A call that only hands on one of its arguments. */
const argument = (index: number) => (args: readonly unknown[]) => args[index];

/**
 * Every name that does something here, and what. For others see `foreignGlobal`.
 * @param error the error for tensors that cannot be, from the file they are in.
 */
export function allowedGlobals(error: TorchStorage['error']): ReadonlyMap<string, Global> {
  const globals = [...torchGlobals(), ...pythonGlobals(), ...omegaconfGlobals(), ...numpyGlobals(error)];
  return new Map(globals.map((global) => [global.name, global]));
}

/** Modules that start programs, run code or open files: no weights need them, and a file that asks is hostile. */
const HOSTILE_MODULES =
  /^(os|posix|nt|subprocess|sys|importlib|imp|runpy|pty|shutil|socket|ctypes|_ctypes|webbrowser|code|codeop|commands|popen2|marshal|pickle|_pickle|cPickle|dill|cloudpickle|joblib|operator|_operator|io|_io|pdb|timeit|cProfile|pip|distutils|setuptools|multiprocessing|signal|torch\.(hub|jit|package|serialization|storage))$/;

/** Builtins that are no more than values. */
const HARMLESS_BUILTINS =
  /^(range|slice|type|NoneType|ellipsis|Ellipsis|NotImplemented|bytearray|memoryview|\w+(Error|Exception|Warning))$/;

/**
 * What stands for a name that is not known here: nothing of it is run, and what it would make is known by the
 * name alone. undefined for what is refused: modules that run code, names that begin with two underscores.
 */
export function foreignGlobal(module: string, name: string): ForeignGlobal | undefined {
  if (/(^|\.)__\w+__$/.test(name)) return undefined;
  const [top] = module.split('.');
  const harmless = /^(builtins|__builtin__)$/.test(module)
    ? HARMLESS_BUILTINS.test(name)
    : !HOSTILE_MODULES.test(module) && !HOSTILE_MODULES.test(top);
  return harmless ? new ForeignGlobal(`${module}.${name}`) : undefined;
}

function torchGlobals(): Global[] {
  const globals: Global[] = [];
  for (const dtype of DTYPE_NAMES) {
    const value = new StorageType(dtype);
    for (const module of ['torch', 'torch.cuda']) {
      globals.push(new Global(`${module}.${DTYPES[dtype].torchStorage}`, { value }));
    }
    globals.push(new Global(`torch.${dtype}`, { value: dtype }));
  }
  for (const dtype of FOREIGN_DTYPE_NAMES) {
    const { torchStorage } = FOREIGN_DTYPES[dtype];
    const value = new StorageType(dtype);
    if (torchStorage) globals.push(new Global(`torch.${torchStorage}`, { value }));
    globals.push(new Global(`torch.${dtype}`, { value: dtype }));
  }
  for (const [name, kind] of Object.entries(FOREIGN_TENSORS)) {
    globals.push(new ForeignGlobal(`torch._utils._rebuild_${name}`, kind));
  }
  for (const name of [
    'torch.UntypedStorage',
    'torch.storage.UntypedStorage',
    'torch.storage._UntypedStorage',
  ]) {
    globals.push(new Global(name, { value: new StorageType(undefined) }));
  }
  const tensorClasses = ['torch.Tensor', 'torch._tensor.Tensor', 'torch.nn.parameter.Parameter'];
  return [
    ...globals,
    ...tensorClasses.map((name) => new Global(name)),
    new Global('torch._utils._rebuild_tensor', { call: (args) => rebuildTensor(args) }),
    new Global('torch._utils._rebuild_tensor_v2', { call: (args) => rebuildTensor(args) }),
    new Global('torch._utils._rebuild_tensor_v3', {
      call: (args) =>
        args[6] instanceof ForeignGlobal
          ? new OpaqueInstance(`a tensor of ${args[6].name}`)
          : rebuildTensor(args, dtypeIn(args[6])),
    }),
    new Global('torch._utils._rebuild_parameter', { call: argument(0) }),
    new Global('torch._utils._rebuild_parameter_with_state', { call: argument(0) }),
    new Global('torch._tensor._rebuild_from_type_v2', { call: rebuildFromType }),
    new Global('torch.Size', { call: ([sizes]) => Object.freeze([...iterable(sizes)]) }),
    new Global('torch.device', {
      call: ([type, index]) => (typeof index === 'number' ? `${type}:${index}` : `${type}`),
    }),
    new Global('torch.serialization._get_layout', { call: ([name]) => `${name}` }),
  ];
}

/** Tensors of forms that are not read here, by the end of the function that rebuilds them. */
const FOREIGN_TENSORS = {
  qtensor: 'a quantised tensor',
  sparse_tensor: 'a sparse tensor',
  sparse_csr_tensor: 'a sparse tensor',
  nested_tensor: 'a nested tensor',
  meta_tensor_no_storage: 'a tensor without numbers (device meta)',
};

/** `(storage, offset, size, stride, …)`. */
function rebuildTensor(args: readonly unknown[], dtype?: ElementType): unknown {
  const [storage, offset, shape, strides] = args;
  if (!(storage instanceof StorageInstance)) throw new TypeError('a tensor without a storage');
  if (typeof offset !== 'number' || !isNumbers(shape) || !isNumbers(strides)) {
    throw new TypeError('a tensor of unknown form');
  }
  const type = dtype ?? storage.storage.dtype;
  if (!type) return new OpaqueInstance('a tensor of unknown element type');
  if (isForeign(type)) return new OpaqueInstance(`a tensor of ${type}`);
  return viewOf(storage.storage, type, offset, shape, strides);
}

/** `(function, class, args, state)`: tensors that carry attributes. The attributes are let go. */
function rebuildFromType(args: readonly unknown[]): unknown {
  const [rebuild, , inner] = args;
  if (rebuild instanceof ForeignGlobal) return rebuild.call!([]);
  if (
    !(rebuild instanceof Global) ||
    !rebuild.name.startsWith('torch._utils._rebuild_') ||
    !Array.isArray(inner)
  ) {
    throw new TypeError('a tensor of unknown form');
  }
  return rebuild.call!(inner);
}

function dtypeIn(global: unknown): ElementType {
  const value = global instanceof Global ? global.value : undefined;
  if (typeof value !== 'string') throw new TypeError('a tensor of unknown element type');
  return value as ElementType;
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'number');
}

function* iterable(value: unknown): Generator<unknown> {
  if (Array.isArray(value) || value instanceof Set) yield* value;
  else if (value instanceof Map) yield* value.keys();
  else if (value !== undefined) throw new TypeError('items of what is not a list');
}

function pairs(value: unknown): Map<unknown, unknown> {
  if (value === undefined) return new Map();
  if (value instanceof Map) return new Map(value);
  const map = new Map<unknown, unknown>();
  for (const item of iterable(value)) {
    if (!Array.isArray(item) || item.length !== 2) throw new TypeError('a dict of what are not pairs');
    map.set(item[0], item[1]);
  }
  return map;
}

/** `_codecs.encode(text, 'latin1')`: how protocol 2 writes bytes. */
function encode([text, encoding]: readonly unknown[]): Uint8Array {
  if (typeof text !== 'string' || !/^(latin-?1|utf-?8|ascii)$/i.test(String(encoding ?? 'utf-8'))) {
    throw new TypeError('bytes of unknown encoding');
  }
  return new Uint8Array(Buffer.from(text, /^utf/i.test(String(encoding ?? 'utf-8')) ? 'utf8' : 'latin1'));
}

const namespace = () => new AttributeInstance((attributes) => attributes);

function pythonGlobals(): Global[] {
  const calls: Record<string, Global['call']> = {
    dict: ([items]) => pairs(items),
    list: ([items]) => [...iterable(items)],
    tuple: ([items]) => Object.freeze([...iterable(items)]),
    set: ([items]) => new Set(iterable(items)),
    frozenset: ([items]) => new Set(iterable(items)),
    complex: ([real, imaginary]) => new Map(Object.entries({ real, imaginary })),
    bytes: ([items]) => byteArray(items),
    bytearray: ([items, encoding]) =>
      typeof items === 'string' ? encode([items, encoding]) : byteArray(items),
  };
  const inert = ['int', 'long', 'float', 'bool', 'str', 'object'];
  const globals: Global[] = [];
  for (const module of ['builtins', '__builtin__']) {
    for (const [name, call] of Object.entries(calls)) globals.push(new Global(`${module}.${name}`, { call }));
    for (const name of inert) globals.push(new Global(`${module}.${name}`));
  }
  for (const module of ['copyreg', 'copy_reg']) {
    globals.push(
      new Global(`${module}._reconstructor`, {
        call: ([type]) => {
          if (!(type instanceof Global) || !type.call) throw new TypeError('an object of unknown class');
          return type.call([]);
        },
      }),
    );
  }
  return [
    ...globals,
    new Global('collections.OrderedDict', { call: ([items]) => new OrderedDict(pairs(items)) }),
    new Global('collections.defaultdict', { call: (args) => pairs(args[1]) }),
    new Global('collections.Counter', { call: ([items]) => pairs(items) }),
    new Global('collections.deque', { call: ([items]) => [...iterable(items)] }),
    new Global('_codecs.encode', { call: encode }),
    new Global('argparse.Namespace', { call: namespace }),
    new Global('types.SimpleNamespace', { call: namespace }),
  ];
}

function byteArray(items: unknown): Uint8Array {
  if (items instanceof Uint8Array) return items;
  return Uint8Array.from(iterable(items), (item) => Number(item));
}

/** OmegaConf's containers keep their values in `_content`, its leaves in `_val`. */
function omegaconfGlobals(): Global[] {
  const holding = (attribute: string) => ({
    call: () => new AttributeInstance((attributes) => attributes.get(attribute) ?? null),
  });
  const containers = ['dictconfig.DictConfig', 'listconfig.ListConfig', 'nodes.UnionNode'];
  const nodes = ['AnyNode', 'BooleanNode', 'IntegerNode', 'FloatNode', 'StringNode', 'BytesNode'];
  const metadata = ['omegaconf.base.ContainerMetadata', 'omegaconf.base.Metadata'];
  const types = ['Any', 'Dict', 'List', 'Tuple', 'Optional', 'Union'];
  return [
    ...containers.map((name) => new Global(`omegaconf.${name}`, holding('_content'))),
    ...nodes.map((name) => new Global(`omegaconf.nodes.${name}`, holding('_val'))),
    ...metadata.map((name) => new Global(name, { call: namespace })),
    ...types.map((name) => new Global(`typing.${name}`)),
  ];
}
