import type { ByteReader } from './byte_reader.js';
import { LIMITS } from './limits.js';
import { Literals, rawUnicodeEscape } from './pickle_literals.js';
import { ForeignGlobal, Global, Instance, OpaqueInstance } from './pickled.js';
import { OrderedDict } from './values.js';

export interface UnpicklerOptions {
  /** The class or function of that name. @throws when it is not among those allowed. */
  global(module: string, name: string): unknown;
  /** What a persistent id stands for. */
  persistent(id: unknown): unknown;
  /** The error to throw for a pickle that cannot be read. */
  error(what: string, found?: string): Error;
}

const MARK = 40;
const STOP = 46;

/**
 * Runs one pickle, protocols 0 to 5, and returns what it makes: Maps for dicts, arrays for lists, frozen
 * arrays for tuples, Instances. Nothing is ever called but what `options.global` hands out.
 * Source: CPython, Lib/pickletools.py.
 */
export function unpickle(reader: ByteReader, options: UnpicklerOptions): unknown {
  return new Unpickler(reader, options).run();
}

class Unpickler {
  readonly #reader: ByteReader;
  readonly #options: UnpicklerOptions;
  readonly #stack: unknown[] = [];
  /** Where the stack stood at each open mark. */
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, unknown>();
  readonly #literals: Literals;
  #objects = 0;
  #copied = 0;

  constructor(reader: ByteReader, options: UnpicklerOptions) {
    this.#reader = reader;
    this.#options = options;
    this.#literals = new Literals(reader, (what, found) => this.#error(what, found));
  }

  run(): unknown {
    for (;;) {
      const opcode = this.#reader.byte();
      if (opcode === STOP) return this.#pop();
      if (opcode === MARK) this.#mark();
      else this.#step(opcode);
      if (this.#stack.length + this.#memo.size > LIMITS.stack) throw this.#error('holds too many values');
    }
  }

  /** Runs one instruction; what it returns means nothing. */
  #step(opcode: number): unknown {
    const reader = this.#reader;
    switch (opcode) {
      case 0x80: // PROTO
        if (reader.byte() > 5) throw this.#error('has a pickle protocol above 5');
        return;
      case 0x95: // FRAME
        reader.take(8);
        return;
      // Constants and numbers
      case 0x4e: // NONE
        return this.#push(null);
      case 0x88: // NEWTRUE
        return this.#push(true);
      case 0x89: // NEWFALSE
        return this.#push(false);
      case 0x49: // INT
        return this.#push(this.#literals.textInt());
      case 0x4a: // BININT
        return this.#push(reader.take(4).readInt32LE());
      case 0x4b: // BININT1
        return this.#push(reader.byte());
      case 0x4d: // BININT2
        return this.#push(reader.take(2).readUInt16LE());
      case 0x4c: // LONG
        return this.#push(this.#literals.textLong());
      case 0x8a: // LONG1
        return this.#push(this.#literals.long(reader.byte()));
      case 0x8b: // LONG4
        return this.#push(this.#literals.long(reader.take(4).readUInt32LE()));
      case 0x46: // FLOAT
        return this.#push(this.#literals.textFloat());
      case 0x47: // BINFLOAT
        return this.#push(reader.take(8).readDoubleBE());
      // Text and bytes
      case 0x53: // STRING
        return this.#push(this.#literals.textString());
      case 0x54: // BINSTRING
        return this.#push(reader.take(reader.take(4).readUInt32LE()).toString('latin1'));
      case 0x55: // SHORT_BINSTRING
        return this.#push(reader.take(reader.byte()).toString('latin1'));
      case 0x56: // UNICODE
        return this.#push(rawUnicodeEscape(reader.line(LIMITS.pickleBytes)));
      case 0x58: // BINUNICODE
        return this.#push(reader.take(reader.take(4).readUInt32LE()).toString('utf8'));
      case 0x8c: // SHORT_BINUNICODE
        return this.#push(reader.take(reader.byte()).toString('utf8'));
      case 0x8d: // BINUNICODE8
        return this.#push(reader.take(this.#literals.length8()).toString('utf8'));
      case 0x42: // BINBYTES
        return this.#push(new Uint8Array(reader.take(reader.take(4).readUInt32LE())));
      case 0x43: // SHORT_BINBYTES
        return this.#push(new Uint8Array(reader.take(reader.byte())));
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        return this.#push(new Uint8Array(reader.take(this.#literals.length8())));
      // Containers
      case 0x5d: // EMPTY_LIST
        return this.#pushObject([]);
      case 0x6c: // LIST
        return this.#pushObject(this.#popToMark());
      case 0x61: // APPEND
        return this.#append([this.#pop()]);
      case 0x65: // APPENDS
        return this.#append(this.#popToMark());
      case 0x29: // EMPTY_TUPLE
        return this.#pushTuple([]);
      case 0x74: // TUPLE
        return this.#pushTuple(this.#popToMark());
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.#pushTuple(this.#popMany(opcode - 0x84));
      case 0x7d: // EMPTY_DICT
        return this.#pushObject(new Map());
      case 0x64: // DICT
        return this.#pushObject(this.#fill(new Map(), this.#popToMark()));
      case 0x73: // SETITEM
        return this.#setItems(this.#popMany(2));
      case 0x75: // SETITEMS
        return this.#setItems(this.#popToMark());
      case 0x8f: // EMPTY_SET
        return this.#pushObject(new Set());
      case 0x90: // ADDITEMS
        return this.#addItems(this.#popToMark());
      case 0x91: // FROZENSET
        return this.#pushObject(new Set(this.#popToMark()));
      // Stack and memo
      case 0x30: // POP: a mark goes too when nothing lies above it
        if (this.#marks.at(-1) === this.#stack.length) this.#marks.pop();
        else this.#pop();
        return;
      case 0x31: // POP_MARK
        this.#popToMark();
        return;
      case 0x32: // DUP
        return this.#push(this.#top());
      case 0x67: // GET
        return this.#get(this.#literals.textIndex());
      case 0x68: // BINGET
        return this.#get(reader.byte());
      case 0x6a: // LONG_BINGET
        return this.#get(reader.take(4).readUInt32LE());
      case 0x70: // PUT
        return this.#put(this.#literals.textIndex());
      case 0x71: // BINPUT
        return this.#put(reader.byte());
      case 0x72: // LONG_BINPUT
        return this.#put(reader.take(4).readUInt32LE());
      case 0x94: // MEMOIZE
        return this.#put(this.#memo.size);
      // Names, calls and states
      case 0x63: // GLOBAL
        return this.#push(this.#options.global(reader.line(1000), reader.line(1000)));
      case 0x93: // STACK_GLOBAL
        return this.#stackGlobal();
      case 0x52: // REDUCE
      case 0x81: // NEWOBJ
        return this.#call();
      case 0x92: // NEWOBJ_EX
        return this.#callWithKeywords();
      case 0x6f: // OBJ
        return this.#pushCall(...splitFirst(this.#popToMark()));
      case 0x69: // INST
        return this.#inst();
      case 0x62: // BUILD
        return this.#build();
      case 0x50: // PERSID
        return this.#pushObject(this.#options.persistent(reader.line(1000)));
      case 0x51: // BINPERSID
        return this.#pushObject(this.#options.persistent(this.#pop()));
      default: {
        const code = `0x${opcode.toString(16).padStart(2, '0')} at byte ${reader.position - 1}`;
        throw this.#error('is damaged or not a checkpoint', `the pickle instruction ${code}`);
      }
    }
  }

  #error(what: string, found?: string): Error {
    return this.#options.error(what, found ?? `at byte ${this.#reader.position} of the pickle`);
  }

  #push(value: unknown): void {
    this.#stack.push(value);
  }

  #pushObject(value: unknown): void {
    if (++this.#objects > LIMITS.objects) throw this.#error(`holds more than ${LIMITS.objects} objects`);
    this.#stack.push(value);
  }

  #pushTuple(items: unknown[]): void {
    this.#pushObject(Object.freeze(items));
  }

  #mark(): void {
    this.#marks.push(this.#stack.length);
    if (this.#marks.length > LIMITS.objects) throw this.#error('nests too deep');
  }

  /** Values below the last mark are out of reach, as in CPython. */
  #floor(): number {
    return this.#marks.at(-1) ?? 0;
  }

  #pop(): unknown {
    if (this.#stack.length <= this.#floor())
      throw this.#error('is damaged', 'a pickle that takes more than it gave');
    return this.#stack.pop();
  }

  #top(): unknown {
    const value = this.#pop();
    this.#stack.push(value);
    return value;
  }

  #popMany(count: number): unknown[] {
    if (this.#stack.length - count < this.#floor()) {
      throw this.#error('is damaged', 'a pickle that takes more than it gave');
    }
    return this.#stack.splice(this.#stack.length - count, count);
  }

  #popToMark(): unknown[] {
    const start = this.#marks.pop();
    if (start === undefined) throw this.#error('is damaged', 'a pickle that lacks a mark');
    return this.#stack.splice(start);
  }

  #get(index: number): void {
    if (!this.#memo.has(index))
      throw this.#error('is damaged', `a pickle that refers to value ${index}, never made`);
    this.#push(this.#memo.get(index));
  }

  #put(index: number): void {
    this.#memo.set(index, this.#top());
  }

  #append(items: unknown[]): void {
    const list = this.#top();
    if (list instanceof OpaqueInstance) {
      list.append(items);
      return;
    }
    if (!Array.isArray(list) || Object.isFrozen(list))
      throw this.#error('is damaged', 'items for what is not a list');
    for (const item of items) list.push(item);
  }

  #setItems(items: unknown[]): void {
    const top = this.#top();
    const dict = top instanceof OpaqueInstance ? top.dict() : top;
    if (!(dict instanceof Map)) throw this.#error('is damaged', 'items for what is not a dict');
    this.#fill(dict, items);
  }

  #fill(dict: Map<unknown, unknown>, items: unknown[]): Map<unknown, unknown> {
    if (items.length % 2 !== 0) throw this.#error('is damaged', 'a key without a value');
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i];
      if (key instanceof Map || key instanceof Set || (Array.isArray(key) && !Object.isFrozen(key))) {
        throw this.#error('is damaged', 'a container as the key of a dict');
      }
      dict.set(key, items[i + 1]);
    }
    return dict;
  }

  #addItems(items: unknown[]): void {
    const set = this.#top();
    if (set instanceof OpaqueInstance) {
      set.append(items);
      return;
    }
    if (!(set instanceof Set)) throw this.#error('is damaged', 'items for what is not a set');
    for (const item of items) set.add(item);
  }

  #stackGlobal(): void {
    const [module, name] = this.#popMany(2);
    if (typeof module !== 'string' || typeof name !== 'string')
      throw this.#error('is damaged', 'a name that is not text');
    this.#push(this.#options.global(module, name));
  }

  #call(): void {
    const [callee, args] = this.#popMany(2);
    if (!Array.isArray(args)) throw this.#error('is damaged', 'a call without arguments');
    this.#pushCall(callee, args);
  }

  #callWithKeywords(): void {
    const [callee, args, keywords] = this.#popMany(3);
    const plain = keywords instanceof Map && (keywords.size === 0 || callee instanceof ForeignGlobal);
    if (!Array.isArray(args) || !plain) {
      throw this.#error('calls with keywords', callee instanceof Global ? callee.name : undefined);
    }
    this.#pushCall(callee, args);
  }

  #inst(): void {
    const callee = this.#options.global(this.#reader.line(1000), this.#reader.line(1000));
    this.#pushCall(callee, this.#popToMark());
  }

  #pushCall(callee: unknown, args: unknown[]): void {
    if (!(callee instanceof Global)) throw this.#error('is damaged', 'a call of what is not a function');
    if (!callee.call) throw this.#error(`calls '${callee.name}'`, 'which may only be named');
    this.#charge(args);
    let made: unknown;
    try {
      made = callee.call(args);
    } catch (thrown) {
      if (!(thrown instanceof TypeError || thrown instanceof RangeError)) throw thrown;
      throw this.#error('is damaged', `${callee.name}: ${thrown.message}`);
    }
    this.#pushObject(made);
  }

  #build(): void {
    const state = this.#pop();
    const target = this.#top();
    this.#charge(Array.isArray(state) ? state : [state]);
    try {
      if (target instanceof OrderedDict) target.attributes = attributesOf(state);
      else if (target instanceof Instance) target.setState(state);
      else throw new TypeError('a state for what takes none');
    } catch (thrown) {
      if (!(thrown instanceof TypeError || thrown instanceof RangeError)) throw thrown;
      throw this.#error('is damaged', thrown.message);
    }
  }

  /** Counts what a call may copy of its arguments, so that a short pickle cannot copy a long value often. */
  #charge(args: readonly unknown[]): void {
    this.#copied += 16 * args.length;
    for (const value of args) {
      if (typeof value === 'string' || value instanceof Uint8Array) this.#copied += value.length;
      else if (Array.isArray(value)) this.#copied += 16 * value.length;
      else if (value instanceof Map || value instanceof Set) this.#copied += 64 * value.size;
    }
    if (this.#copied > LIMITS.copiedBytes) throw this.#error('copies too much');
  }
}

function splitFirst(items: unknown[]): [unknown, unknown[]] {
  return [items[0], items.slice(1)];
}

function attributesOf(state: unknown): Record<string, unknown> {
  if (!(state instanceof Map)) throw new TypeError('an OrderedDict state that is not a dict');
  return Object.fromEntries(state);
}
