import { LavisError } from '../../../common/errors.js';
import { isHidden, nameKind } from '../../../processors/index.js';
import { hasWords } from '../../annotated/annotations.js';
import type { SampleFault } from '../../types.js';
import { captionsOf } from './caption.js';
import type { PassedOver } from './passed_over.js';
import { type SampleParts, ShardSamples, type Span } from './shard_samples.js';
import { type TarEntry, tarEntries } from './tar.js';

/** What is known of a shard once its headers are read. */
export interface ShardIndex {
  samples: ShardSamples;
  /** Samples whose caption or image cannot be read. */
  faults: SampleFault[];
}

const TEXTS = new Set(['txt', 'text', 'caption']);

interface Member {
  /** The path up to its last dot. */
  stem: string;
  extension: string;
  kind: 'image' | 'text' | 'json';
  span: Span;
  /** Of texts. */
  bytes?: Buffer;
}

type Complete = { key: string; image: Member; caption: Member };

/**
 * The samples of a webdataset shard: files whose names agree up to the first dot, or up to the last one
 * where that gives whole samples (`v1.0001.jpg`, `v1.0001.txt`); one of them an image, one a text with the
 * caption, or JSON. The order of the files does not matter here.
 * @param passed is told of everything that does not come into a sample
 * @throws DataError for a broken archive
 */
export async function indexShard(shard: string, passed: PassedOver): Promise<ShardIndex> {
  const groups = await membersByKey(shard, passed);
  const found: SampleParts[] = [];
  const faults: SampleFault[] = [];
  for (const [key, members] of groups) {
    for (const sample of samplesOf(key, members, passed)) {
      const { image, caption } = sample;
      found.push({
        key: sample.key,
        image: image.span,
        caption: caption.span,
        json: caption.kind === 'json',
      });
      const fault = faultOf(sample, `${shard}, ${sample.key}`, passed);
      if (fault) faults.push(fault);
    }
  }
  return { samples: new ShardSamples(shard, found), faults };
}

async function membersByKey(shard: string, passed: PassedOver): Promise<Map<string, Map<string, Member>>> {
  const groups = new Map<string, Map<string, Member>>();
  let current = '';
  let unsorted = false;
  for await (const entry of tarEntries(shard)) {
    const member = await memberOf(entry, passed);
    if (!member) continue;
    const key = /^(?:.*\/)?[^/.]+/.exec(member.stem)?.[0] ?? member.stem;
    if (key !== current && groups.has(key)) unsorted = true;
    current = key;
    const group = groups.get(key) ?? new Map<string, Member>();
    groups.set(key, group);
    const name = `${member.stem}.${member.extension}`;
    // tar itself unpacks the last of them
    if (group.has(name)) passed.add('earlier files of the same name', name);
    group.set(name, member);
  }
  if (unsorted) passed.unsorted.push(shard);
  return groups;
}

/** Undefined, and noted, for what is neither image nor caption. */
async function memberOf(entry: TarEntry, passed: PassedOver): Promise<Member | undefined> {
  const name = entry.name.replace(/^(\.?\/)+/, '');
  const { offset, size } = entry;
  if (name.split('/').some(isHidden)) return passed.add('hidden files', entry.name);
  if (entry.kind !== 'file') return passed.add(entry.kind === 'link' ? 'links' : 'special files', name);
  const base = name.slice(name.lastIndexOf('/') + 1);
  const dot = name.length - base.length + base.lastIndexOf('.');
  if (!base.includes('.')) return passed.add('files without an extension', name);
  const [stem, extension] = [name.slice(0, dot), name.slice(dot + 1).toLowerCase()];
  const common = { stem, extension, span: { offset, size } };
  if (TEXTS.has(extension) || extension === 'json') {
    const kind = extension === 'json' ? 'json' : 'text';
    return { ...common, kind, bytes: Buffer.from(await entry.content()) };
  }
  if (nameKind(base) === 'image') return { ...common, kind: 'image' };
  return passed.add(`.${extension} files`, name);
}

/** The whole samples among the files of one key. */
function samplesOf(key: string, members: Map<string, Member>, passed: PassedOver): Complete[] {
  const stems = new Map<string, Member[]>();
  for (const member of members.values()) {
    const list = stems.get(member.stem);
    if (list) list.push(member);
    else stems.set(member.stem, [member]);
  }
  const whole = new Map<string, Complete>();
  const rest: Member[] = [];
  for (const [stem, list] of stems) {
    const sample = sampleOf(stem, list, passed);
    if (sample) whole.set(stem, sample);
    else rest.push(...list);
  }
  // `0001.input.jpg` and `0001.output.txt`
  const together = whole.size === 0 && sampleOf(key, rest, passed);
  if (together) return [together];
  for (const member of rest) {
    if (isBeside(member, whole)) passed.add('further files of a sample', named(member));
    else if (member.kind === 'image') passed.add('images without a caption', named(member), true);
    else passed.add('captions without an image', named(member), true);
  }
  return [...whole.values()];
}

function sampleOf(key: string, members: readonly Member[], passed: PassedOver): Complete | undefined {
  const find = (kind: Member['kind']) => members.find((member) => member.kind === kind);
  const [image, caption] = [find('image'), find('text') ?? find('json')];
  if (!image || !caption) return undefined;
  for (const member of members) {
    if (member.kind === 'image' && member !== image) passed.add('further images of a sample', named(member));
  }
  return { key, image, caption };
}

/** Whether a file such as `0001.mask.png` stands beside the sample `0001`. */
function isBeside({ stem }: Member, whole: ReadonlyMap<string, Complete>): boolean {
  for (let dot = stem.lastIndexOf('.'); dot > 0; dot = stem.lastIndexOf('.', dot - 1)) {
    if (whole.has(stem.slice(0, dot))) return true;
  }
  return false;
}

const named = ({ stem, extension }: Member) => `${stem}.${extension}`;

function faultOf({ image, caption }: Complete, where: string, passed: PassedOver): SampleFault | undefined {
  if (image.span.size === 0) return { what: "a sample's image is empty", where, found: '0 bytes' };
  try {
    const captions = captionsOf(caption.bytes!, caption.kind === 'json', where);
    const bare = captions.filter((one) => !hasWords(one));
    passed.wordless.push(...bare.map((one) => `${JSON.stringify(one)} in ${where}`));
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof LavisError)) throw thrown;
    return { what: thrown.headline, where, found: thrown.details.found };
  }
}
