import { bestIndices } from './scores.js';

/** A finished text of a beam search. */
export interface Hypothesis {
  /** Prompt and words, without the end token. */
  ids: number[];
  /** The sum of its log-probabilities, penalties applied, over its length ** lengthPenalty. */
  score: number;
  /** Of each word behind the prompt, the end token included where it ended: what the model itself gives it. */
  logProbabilities: number[];
}

/** A continuation of one of the running texts. */
export interface Candidate {
  /** Cumulative log-probability, float32. */
  score: number;
  token: number;
  /** Which of the running texts it continues. */
  beam: number;
  /** Of its word alone, as the model gives it. */
  logProbability: number;
}

export interface BeamOptions {
  numBeams: number;
  lengthPenalty: number;
  /** Ends a text. */
  eos: number;
}

/**
 * The beam search of one image, without a model: it is fed the log-probabilities of its running texts and
 * says which texts run next. Source: transformers 4.20, BeamSearchScorer and beam_search, early_stopping off.
 */
export class BeamSearch {
  /** Token ids of the running texts: the prompt at first, then `numBeams` of them. */
  texts: number[][];
  /** Cumulative log-probabilities of the running texts, float32. */
  scores: number[] = [0];
  /** Of each running text's words behind the prompt, as the model gives them. */
  logProbabilities: number[][] = [[]];
  /** For each running text, which text of the step before it continues. */
  parents: number[] = [0];
  done = false;
  readonly hypotheses: Hypothesis[] = [];

  constructor(
    prompt: readonly number[],
    readonly options: BeamOptions,
  ) {
    this.texts = [[...prompt]];
  }

  /**
   * The 2 × numBeams best continuations, best first.
   * @param penalized log-probabilities, [V] float32 for each running text, penalties applied
   * @param logProbabilities the same as the model gives them
   */
  candidates(penalized: readonly Float32Array[], logProbabilities = penalized): Candidate[] {
    const count = 2 * this.options.numBeams;
    const found = penalized.flatMap((row, beam) =>
      bestIndices(row, count).map((token) => ({
        score: Math.fround(this.scores[beam] + row[token]),
        token,
        beam,
        logProbability: logProbabilities[beam][token],
      })),
    );
    return found.sort((a, b) => b.score - a.score).slice(0, count);
  }

  /** Takes one step: ended texts become hypotheses, the best others run on. */
  advance(candidates: readonly Candidate[]): void {
    const { numBeams, eos } = this.options;
    const length = this.texts[0].length;
    const running: Candidate[] = [];
    for (const [rank, candidate] of candidates.entries()) {
      if (candidate.token !== eos) running.push(candidate);
      else if (rank < numBeams) this.#add(this.texts[candidate.beam], candidate.score, this.#said(candidate));
      if (running.length === numBeams) break;
    }
    this.logProbabilities = running.map((candidate) => this.#said(candidate));
    this.texts = running.map(({ beam, token }) => [...this.texts[beam], token]);
    this.scores = running.map(({ score }) => score);
    this.parents = running.map(({ beam }) => beam);
    this.done = this.#cannotImprove(candidates[0].score, length);
  }

  /** Ends the search at the longest length: texts that still run count as finished. Best first. */
  finish(): Hypothesis[] {
    if (!this.done) {
      this.texts.forEach((ids, i) => {
        this.#add(ids, this.scores[i], this.logProbabilities[i]);
      });
    }
    this.done = true;
    // Of equal scores the one found last comes first, as Python's sort and pop have it.
    return this.hypotheses.toReversed().sort((a, b) => b.score - a.score);
  }

  #said({ beam, logProbability }: Candidate): number[] {
    return [...this.logProbabilities[beam], logProbability];
  }

  #add(ids: number[], sum: number, logProbabilities: number[]): void {
    const score = sum / ids.length ** this.options.lengthPenalty;
    if (this.hypotheses.length < this.options.numBeams || score > this.#worst()) {
      this.hypotheses.push({ ids, score, logProbabilities });
      if (this.hypotheses.length > this.options.numBeams) {
        this.hypotheses.splice(
          this.hypotheses.findIndex((hypothesis) => hypothesis.score === this.#worst()),
          1,
        );
      }
    }
  }

  #worst(): number {
    return Math.min(...this.hypotheses.map(({ score }) => score));
  }

  #cannotImprove(bestScore: number, length: number): boolean {
    if (this.hypotheses.length < this.options.numBeams) return false;
    return this.#worst() >= bestScore / length ** this.options.lengthPenalty;
  }
}
