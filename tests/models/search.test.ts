import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import fc from 'fast-check';
import { Rng } from '#src/common/random.js';
import { setupEngine, tf } from '#src/engine/index.js';
import {
  BeamSearch,
  banWords,
  bestIndices,
  checkedOptions,
  minimumLength,
  noRepeatNgrams,
  nucleus,
  repetitionPenalty,
  softmax,
  topK,
  topP,
} from '#src/models/index.js';
import { fixtureJson } from '../support.js';
import { images, readTensors, tinyModel } from './tiny.js';

interface ScoreCase {
  name: string;
  args: {
    repetition_penalty?: number;
    min_length?: number;
    eos?: number;
    top_k?: number;
    top_p?: number;
  };
  input_ids: number[][];
  logits: (number | string)[][];
  result: (number | string)[][];
}
interface BeamStep {
  cur_len: number;
  done: boolean[];
  cand_scores: number[][];
  cand_tokens: number[][];
  cand_beams: number[][];
  next_tokens: number[];
  next_beams: number[];
}
interface NucleusTrace {
  args: { max_length: number; min_length: number; top_p: number };
  sequences: number[][];
  steps: { cur_len: number; rows: { kept_ids: number[]; kept_probs: number[]; picked: number }[] }[];
}

describe('scores of the next word', () => {
  const { cases } = fixtureJson<{ cases: ScoreCase[] }>('tiny_caption', 'logits_processors.json');
  for (const { name, args, input_ids, logits, result } of cases) {
    it(`change as the processors of transformers change them: ${name}`, () => {
      logits.forEach((row, i) => {
        const scores = Float32Array.from(row, Number);
        if (args.repetition_penalty) repetitionPenalty(scores, input_ids[i], args.repetition_penalty);
        if (args.min_length !== undefined) {
          minimumLength(scores, input_ids[i].length, args.min_length, args.eos!);
        }
        if (args.top_k) topK(scores, args.top_k);
        if (args.top_p !== undefined) topP(scores, args.top_p);
        const expected = Float32Array.from(result[i], Number);
        for (const [at, value] of expected.entries()) {
          assert.ok(
            value === scores[at] || Math.abs(value - scores[at]) < 1e-6,
            `${scores[at]} for ${value}`,
          );
        }
      });
    });
  }
});

/** Which of `size` words a change of the scores forbids. */
function forbidden(change: (scores: Float32Array) => void, size = 10): number[] {
  const scores = new Float32Array(size);
  change(scores);
  return [...scores.keys()].filter((id) => scores[id] === Number.NEGATIVE_INFINITY);
}

describe('words that are not to follow', () => {
  it('are those that would end a run of words which is there already', () => {
    const cases: [ids: number[], size: number, words: number[]][] = [
      [[1, 2, 3, 1, 2], 0, []],
      [[1, 2, 3, 1, 2], 1, [1, 2, 3]],
      [[1, 2, 3, 1, 2], 2, [3]],
      [[1, 2, 3, 1, 2], 3, [3]],
      [[1, 2, 3, 1, 2], 4, []],
      [[1, 2, 4, 1, 2, 3, 1, 2], 3, [3, 4]],
      [[5, 5], 2, [5]],
      [[5], 3, []],
      [[], 2, []],
    ];
    for (const [ids, size, words] of cases) {
      assert.deepEqual(
        forbidden((scores) => noRepeatNgrams(scores, ids, size)),
        words,
        `${ids} | ${size}`,
      );
    }
  });

  it('are banned words: of several tokens the last, where the text ends in the others', () => {
    const words = [[4], [2, 7], [1, 2, 8]];
    const cases: [ids: number[], words: number[]][] = [
      [[3], [4]],
      [
        [9, 2],
        [4, 7],
      ],
      [
        [1, 2],
        [4, 7, 8],
      ],
      [[2], [4, 7]],
      [[], [4]],
    ];
    for (const [ids, expected] of cases) {
      assert.deepEqual(
        forbidden((scores) => banWords(scores, ids, words)),
        expected,
        String(ids),
      );
    }
  });
});

describe('a beam search fed with the candidates of the reference', () => {
  const { note: _note, ...traces } = fixtureJson<Record<string, BeamStep[]>>(
    'tiny_caption',
    'beam_trace.json',
  );
  for (const [name, steps] of Object.entries(traces)) {
    it(`keeps the same beams at every step and ends when it does: ${name}`, () => {
      const numBeams = 3;
      const searches = steps[0].done.map(
        () => new BeamSearch([282, 42, 70, 69], { numBeams, lengthPenalty: 1, eos: 3 }),
      );
      for (const step of steps) {
        searches.forEach((search, image) => {
          assert.equal(search.done, step.done[image]);
          if (search.done) return;
          assert.equal(search.texts[0].length, step.cur_len);
          const beams = search.texts.length;
          search.advance(
            step.cand_scores[image].map((score, rank) => ({
              score,
              token: step.cand_tokens[image][rank],
              beam: Math.min(step.cand_beams[image][rank], beams - 1),
              logProbability: 0,
            })),
          );
          const at = image * numBeams;
          assert.deepEqual(
            search.texts.map((ids) => ids.at(-1)),
            step.next_tokens.slice(at, at + numBeams),
          );
          const parents = step.next_beams.slice(at, at + numBeams).map((row) => row - at);
          assert.deepEqual(search.parents, parents);
        });
      }
    });
  }
});

test('nucleus sampling draws from the distributions of the reference, word by word', async () => {
  await setupEngine();
  const { args, sequences, steps } = fixtureJson<NucleusTrace>('tiny_caption', 'nucleus_trace.json');
  const model = (await tinyModel()).eval();
  const image = images((await readTensors('tiny_caption', 'generation_inputs.safetensors')).get('image')!);
  const embeds = tf.tidy(() => model.visualEncoder.forward(image));
  for (const { cur_len, rows } of steps) {
    const read = sequences.map((ids) => ids.slice(0, cur_len));
    const logits = tf.tidy(() => {
      const text = { inputIds: read, attentionMask: read.map((ids) => ids.map(() => 1)) };
      const all = model.textDecoder.forward(text, { states: embeds });
      return all
        .slice([0, cur_len - 1, 0], [-1, 1, -1])
        .squeeze([1])
        .arraySync() as number[][];
    });
    rows.forEach((row, i) => {
      if (read[i].includes(3)) return; // ended: what is drawn no longer counts
      const options = checkedOptions({
        useNucleusSampling: true,
        minLength: args.min_length,
        topP: args.top_p,
      });
      const probabilities = nucleus(Float32Array.from(logits[i]), read[i], { eos: 3, pad: 0 }, options);
      const kept = [...probabilities.keys()].filter((id) => probabilities[id] > 0);
      assert.deepEqual(kept, row.kept_ids);
      kept.forEach((id, k) => {
        assert.ok(Math.abs(probabilities[id] - row.kept_probs[k]) < 1e-4);
      });
    });
  }
  tf.dispose([image, embeds]);
});

test('the best indices come in order, the lower one first among equals', () => {
  const values = Float32Array.from([1, 5, 3, 5, Number.NEGATIVE_INFINITY, 4]);
  assert.deepEqual(bestIndices(values, 4), [1, 3, 5, 2]);
  assert.deepEqual(bestIndices(values, 9), [1, 3, 5, 2, 0, 4]);
  assert.ok(Math.abs(softmax(values).reduce((a, b) => a + b) - 1) < 1e-6);
});

test('a beam search that is wide enough finds the best of all texts', () => {
  const [words, eos, longest, prompt] = [4, 0, 5, [1, 2]];
  fc.assert(
    fc.property(fc.integer(), fc.double({ min: 0.2, max: 2, noNaN: true }), (seed, lengthPenalty) => {
      /** Log-probabilities that depend on the whole text. */
      const next = (ids: readonly number[]) => {
        const rng = Rng.of(seed, ...ids);
        const scores = Float32Array.from({ length: words }, () => 3 * rng.normal());
        return softmax(scores).map(Math.log);
      };
      const best = { score: Number.NEGATIVE_INFINITY, ids: [] as number[] };
      const visit = (ids: number[], sum: number): void => {
        const consider = (total: number) => {
          const score = total / ids.length ** lengthPenalty;
          if (score > best.score) Object.assign(best, { score, ids });
        };
        if (ids.length === longest) {
          consider(sum);
          return;
        }
        next(ids).forEach((logProbability, word) => {
          const total = Math.fround(sum + logProbability);
          if (word === eos) consider(total);
          else visit([...ids, word], total);
        });
      };
      visit(prompt, 0);

      const search = new BeamSearch(prompt, { numBeams: words ** longest, lengthPenalty, eos });
      while (!search.done && search.texts[0].length < longest) {
        search.advance(search.candidates(search.texts.map(next)));
      }
      const [found] = search.finish();
      assert.deepEqual(found.ids, best.ids);
      assert.ok(Math.abs(found.score - best.score) < 1e-6);
    }),
    { numRuns: 50 },
  );
});
