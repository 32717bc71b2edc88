import { type TensorRef, withoutInnerWrappers } from '../checkpoint/index.js';
import { CheckpointError } from '../common/errors.js';
import { firstFew } from '../nn/index.js';
import { fromHuggingFace } from './hugging_face/names.js';

/**
 * A checkpoint's entries under the model's names: without what all names begin with because the model was wrapped
 * (by DistributedDataParallel, torch.compile, Lightning, …), and with LAVIS's names in place of Hugging Face's.
 * Names that the model does not know stay as they are.
 * @param own the model's names
 * @throws CheckpointError when the model's weights are there more than once, under different beginnings.
 */
export function underModelNames<T>(
  given: ReadonlyMap<string, T>,
  own: ReadonlySet<string>,
  path: string,
): Map<string, T> {
  const renamed = [...given].map(
    ([name, value]) => [own.has(name) ? name : fromHuggingFace(withoutInnerWrappers(name)), value] as const,
  );
  const prefix = commonBeginning(
    renamed.map(([name]) => name),
    own,
    path,
  );
  return new Map(
    renamed.map(([name, value]) => {
      return [name.startsWith(prefix) && !own.has(name) ? name.slice(prefix.length) : name, value];
    }),
  );
}

/** What stands before the model's names, most often nothing: the beginning with which most of them are found. */
function commonBeginning(names: readonly string[], own: ReadonlySet<string>, path: string): string {
  const counts = new Map<string, number>();
  for (const name of names) {
    for (let at = 0; at >= 0; at = nextPart(name, at)) {
      if (own.has(name.slice(at))) counts.set(name.slice(0, at), (counts.get(name.slice(0, at)) ?? 0) + 1);
    }
  }
  const most = Math.max(0, ...counts.values());
  const best = [...counts].filter(([, count]) => count === most).map(([prefix]) => prefix);
  if (best.length <= 1 || best.includes('')) return best.includes('') ? '' : (best[0] ?? '');
  const wrapped = best.filter((prefix) => /^((module|model|_orig_mod)\.)+$/.test(prefix));
  if (wrapped.length === 1) return wrapped[0];
  throw new CheckpointError("the checkpoint holds the model's weights more than once", {
    where: path,
    found: `names that begin with ${firstFew(best.map((prefix) => `'${prefix}'`))}`,
    help: 'in Python: keep the ones that are meant, and save them as {"model": …}',
  });
}

/** Where the next part of a dotted name starts; -1 after the last. */
function nextPart(name: string, at: number): number {
  const dot = name.indexOf('.', at);
  return dot < 0 ? -1 : dot + 1;
}

/**
 * Pairs of names of one parameter (tied weights) whose numbers in the file are not the same, so that taking either
 * would change what the model says. @param groups the names of each tied parameter
 */
export async function untied(
  groups: Iterable<readonly string[]>,
  given: ReadonlyMap<string, TensorRef>,
): Promise<[first: string, other: string][]> {
  const pairs: [string, string][] = [];
  for (const names of groups) {
    const [first, ...others] = names.filter((name) => given.has(name));
    if (!first) continue;
    const ref = given.get(first)!;
    for (const other of others.filter((name) => isApart(ref, given.get(name)!))) {
      if (!(await holdTheSame(ref, given.get(other)!))) pairs.push([first, other]);
    }
  }
  return pairs;
}

const isApart = (a: TensorRef, b: TensorRef) => a.identity === undefined || a.identity !== b.identity;

async function holdTheSame(a: TensorRef, b: TensorRef): Promise<boolean> {
  const [x, y] = [(await a.read()).data, (await b.read()).data];
  const bytes = (data: typeof x) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return a.dtype === b.dtype && bytes(x).equals(bytes(y));
}

/** What a file seems to be that lacks the model's weights, by its names; undefined where nothing is known. */
export function looksLike(names: readonly string[]): string | undefined {
  return LAYOUTS.find(([pattern]) => names.some((name) => pattern.test(name)))?.[1];
}

const LAYOUTS: readonly [RegExp, string][] = [
  [/\blora_[AB]\b/, 'an adapter (LoRA), without the model that it adapts'],
  [
    /^(qformer|Qformer|language_model|t5_model|opt_model|llm_model)\./,
    'BLIP-2 or another model with a Q-Former',
  ],
  [
    /^(vision_model\.(embeddings|pre_layrnorm)|text_model|vision_model)\./,
    "a model of Hugging Face's transformers",
  ],
  [/^(visual|transformer)\.(conv1|resblocks|transformer|trunk)/, "CLIP, under OpenAI's or open_clip's names"],
  [/^(blocks\.\d+\.attn|cls_token$|patch_embed\.)/, "an image encoder alone, under timm's names"],
  [/^(git|image_encoder)\./, 'GIT'],
  [/^(bert|encoder\.layer|embeddings\.word_embeddings)\b/, 'BERT, without an image encoder'],
  [/^(encoder\.encoder\.layer|decoder\.transformer)\./, 'a VisionEncoderDecoderModel of transformers'],
];
