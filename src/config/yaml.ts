import {
  type AliasEvent,
  EVENT_ID,
  type Event,
  getScalarValue,
  type MappingEvent,
  parseEvents,
  SCALAR_STYLE,
  type ScalarEvent,
  type SequenceEvent,
  YAMLException,
} from 'js-yaml';
import { ConfigError } from '../common/errors.js';
import { readScalar, readTagged } from './scalars.js';
import { syntaxHelp } from './syntax_help.js';
import { describeOrigin, type Entry, type Origin, type Tree } from './tree.js';

/**
 * Reads one YAML document into a tree that keeps each value's place.
 * @param origin the file the text is from, or the option or the place in a file that it is a part of.
 * @throws ConfigError with line, column and the source line.
 */
export function parseYaml(source: string, origin: Origin): Tree {
  const text = source.replace(/^\uFEFF/, '');
  let events: Event[];
  try {
    events = parseEvents(text, {});
  } catch (thrown) {
    if (!(thrown instanceof YAMLException)) throw thrown;
    throw syntaxError(text, origin, thrown.mark?.position ?? 0, thrown.reason);
  }
  return new Composer(text, origin, events).compose();
}

/** An unquoted scalar. */
export const plainScalar = (text: string, origin: Origin): Tree => ({
  kind: 'scalar',
  origin,
  value: readScalar(text),
  written: text,
});

/** Builds the tree from the parser's events. */
class Composer {
  readonly #anchors = new Map<string, Tree>();
  readonly #lineStarts: number[];
  #next = 0;

  constructor(
    readonly text: string,
    readonly base: Origin,
    readonly events: Event[],
  ) {
    this.#lineStarts = [0, ...[...text.matchAll(/\r\n|\n|\r/g)].map((m) => m.index + m[0].length)];
  }

  compose(): Tree {
    const documents = this.events.filter((event) => event.type === EVENT_ID.DOCUMENT).length;
    if (documents > 1) {
      throw syntaxError(this.text, this.base, this.text.length, 'it holds more than one document');
    }
    if (documents === 0) return { kind: 'scalar', origin: this.#at(0), value: null };
    this.#next++;
    return this.#node();
  }

  #node(): Tree {
    const event = this.events[this.#next++];
    switch (event.type) {
      case EVENT_ID.SCALAR:
        return this.#remember(event, this.#scalar(event));
      case EVENT_ID.SEQUENCE:
        return this.#remember(event, this.#list(event));
      case EVENT_ID.MAPPING:
        return this.#remember(event, this.#map(event));
      case EVENT_ID.ALIAS:
        return this.#alias(event);
      default: // an empty document closes at once
        return { kind: 'scalar', origin: this.#at(this.text.length), value: null };
    }
  }

  #scalar(event: ScalarEvent): Tree {
    const text = getScalarValue(this.text, event);
    const origin = this.#at(this.#start(event));
    if (event.tagStart < 0) {
      return event.style === SCALAR_STYLE.PLAIN
        ? plainScalar(text, origin)
        : { kind: 'scalar', origin, value: text };
    }
    const tag = this.text.slice(event.tagStart, event.tagEnd);
    const value = readTagged(shortTag(tag), text);
    if (value === undefined) throw this.#fault(event.tagStart, `'${text}' cannot be read as ${tag}`);
    return { kind: 'scalar', origin, value };
  }

  #list(event: SequenceEvent): Tree {
    this.#expectTag(event, 'seq');
    const items: Tree[] = [];
    while (this.events[this.#next].type !== EVENT_ID.POP) items.push(this.#node());
    this.#next++;
    return { kind: 'list', origin: this.#at(event.start), items };
  }

  #map(event: MappingEvent): Tree {
    this.#expectTag(event, 'map');
    const own = new Map<string, Entry>();
    const merged = new Map<string, Entry>();
    while (this.events[this.#next].type !== EVENT_ID.POP) {
      const start = this.#start(this.events[this.#next]);
      const key = this.#node();
      const tree = this.#node();
      if (key.kind !== 'scalar')
        throw this.#fault(start, 'a key has to be a plain word, not a list or mapping');
      const name = String(key.value);
      if (name === '<<') for (const [k, entry] of this.#mergeKey(start, tree)) merged.set(k, entry);
      else if (own.has(name)) throw this.#fault(start, `the key '${name}' stands twice in this mapping`);
      else own.set(name, { keyOrigin: this.#at(start), tree });
    }
    this.#next++;
    for (const [key, entry] of merged) if (!own.has(key)) own.set(key, entry);
    return { kind: 'map', origin: this.#at(event.start), entries: own };
  }

  /** `<<: *base` or `<<: [*a, *b]`, where the first one that has a key wins. */
  #mergeKey(position: number, tree: Tree): Map<string, Entry> {
    const entries = new Map<string, Entry>();
    for (const source of tree.kind === 'list' ? [...tree.items].reverse() : [tree]) {
      if (source.kind !== 'map') throw this.#fault(position, "'<<' merges a mapping or a list of mappings");
      for (const [key, entry] of source.entries) entries.set(key, entry);
    }
    return entries;
  }

  #alias(event: AliasEvent): Tree {
    const name = this.text.slice(event.anchorStart, event.anchorEnd);
    const tree = this.#anchors.get(name);
    if (!tree) throw this.#fault(event.anchorStart - 1, `no anchor '&${name}' stands before this alias`);
    return tree;
  }

  #remember(event: ScalarEvent | SequenceEvent | MappingEvent, tree: Tree): Tree {
    if (event.anchorStart >= 0) this.#anchors.set(this.text.slice(event.anchorStart, event.anchorEnd), tree);
    return tree;
  }

  #expectTag(event: SequenceEvent | MappingEvent, expected: string): void {
    if (event.tagStart < 0) return;
    const tag = this.text.slice(event.tagStart, event.tagEnd);
    if (shortTag(tag) !== expected) throw this.#fault(event.tagStart, `the tag ${tag} is not known here`);
  }

  #start(event: Event): number {
    if (event.type === EVENT_ID.SCALAR && event.valueStart >= 0) {
      const quoted = event.style === SCALAR_STYLE.SINGLE_QUOTED || event.style === SCALAR_STYLE.DOUBLE_QUOTED;
      return quoted ? event.valueStart - 1 : event.valueStart;
    }
    if (event.type === EVENT_ID.MAPPING || event.type === EVENT_ID.SEQUENCE) return event.start;
    return this.#lastPosition();
  }

  /** An empty value has no place of its own: the end of the scalar before it. */
  #lastPosition(): number {
    for (let i = this.#next - 1; i >= 0; i--) {
      const event = this.events[i];
      if (event.type === EVENT_ID.SCALAR && event.valueEnd >= 0) return event.valueEnd;
    }
    return 0;
  }

  #at(position: number): Origin {
    return isPart(this.base) ? this.base : { ...this.base, ...lineOf(this.#lineStarts, position) };
  }

  #fault(position: number, reason: string): ConfigError {
    return syntaxError(this.text, this.base, position, reason);
  }
}

/** `!!str` and `!<tag:yaml.org,2002:str>` are `str`. */
const shortTag = (tag: string) => tag.replace(/^!!|^!?<?tag:yaml\.org,2002:/, '').replace(/>$/, '');

/** Whether the text is a value of its own, not a whole file. */
const isPart = ({ file, line }: Origin) => file === undefined || line !== undefined;

function lineOf(lineStarts: number[], position: number): { line: number; column: number } {
  let line = 0;
  while (line + 1 < lineStarts.length && lineStarts[line + 1] <= position) line++;
  return { line: line + 1, column: position - lineStarts[line] + 1 };
}

function syntaxError(text: string, origin: Origin, position: number, reason: string): ConfigError {
  if (isPart(origin)) {
    return new ConfigError(`cannot read the value of ${describeOrigin(origin)}`, {
      found: reason,
      allowed: 'a YAML value: a number, a word, true, null, [a, b], {key: value}',
      help: 'put quotes around text with special characters: --options \'run.output_dir="my: dir"\'',
    });
  }
  const starts = [0, ...[...text.matchAll(/\r\n|\n|\r/g)].map((m) => m.index + m[0].length)];
  const { line, column } = lineOf(starts, position);
  const shown = (number: number) =>
    text.slice(starts[number - 1] ?? 0, starts[number] ?? text.length).trimEnd();
  return new ConfigError(`${origin.file} is not valid YAML: ${reason}`, {
    where: [`${origin.file}:${line}:${column}`, ...excerpt(text, starts, line, column)].join('\n'),
    help: syntaxHelp(reason, shown(line), line > 1 ? shown(line - 1) : ''),
  });
}

/** The line and the one above it, where the fault often is; tabs shown, and a mark below the place. */
function excerpt(text: string, starts: readonly number[], line: number, column: number): string[] {
  const width = String(line).length;
  const shown = [line - 1, line].flatMap((number) => {
    if (number < 1) return [];
    const source = text.slice(starts[number - 1], starts[number] ?? text.length).replace(/[\r\n]+$/, '');
    return [`${String(number).padStart(width)} | ${source.replaceAll('\t', '→')}`];
  });
  return [...shown, `${' '.repeat(width)} | ${' '.repeat(Math.max(0, column - 1))}^`];
}
