import type { ModelSource } from '../inference/index.js';
import type { AnswerOptions, GenerateOptions, ImageMatch } from '../models/index.js';
import type { ErrorBody } from './http_error.js';

/** What a model can be asked to do. */
export const USES = ['caption', 'ask', 'match', 'features', 'search'] as const;
export type Use = (typeof USES)[number];

/** For each use: what requests of a batch have in common, what each has of its own, and what it gets. */
export interface Uses {
  caption: {
    /** Whether what each word looked at is told too. */
    shared: { settings: GenerateOptions; explain: boolean };
    item: { image: Uint8Array; prompt?: string; stream?: boolean };
    result: { captions: Caption[] };
  };
  ask: {
    shared: { questions: string[]; settings: AnswerOptions };
    item: { image: Uint8Array };
    result: { answers: { question: string; answer: string }[] };
  };
  match: {
    shared: { texts: string[] };
    item: { image: Uint8Array };
    result: { matches: ({ text: string } & ImageMatch)[] };
  };
  features: {
    shared: { image: boolean; text: boolean };
    item: { image?: Uint8Array; text?: string };
    result: { image?: number[]; text?: number[]; similarity?: number };
  };
  search: {
    shared: Record<string, never>;
    item: { image?: Uint8Array; text?: string; imageWeight?: number; top: number; rerank?: number };
    result: { results: { path: string; score: number; probability?: number }[]; images: number };
  };
}

export interface Caption {
  text: string;
  /** The mean of its tokens' log-probabilities; left out by a model that does not tell. */
  log_probability?: number;
  words?: CaptionWord[];
}

export interface CaptionWord {
  text: string;
  /** Of all its pieces. */
  probability: number;
  /** Rows of patches: how much was looked at each, at most 1 together. */
  looked_at?: number[][];
}

/** Requests that are carried out together. */
export interface Batch<U extends Use = Use> {
  use: U;
  /** A model by its name, of `ServedModel`. */
  model: string;
  shared: Uses[U]['shared'];
  items: Uses[U]['item'][];
}

/** What became of a request of a batch. */
export type Outcome<U extends Use = Use> = { value: Uses[U]['result'] } | { error: ErrorBody };

/** What happens meanwhile to the request at a place of its batch. */
export interface Progress {
  item: number;
  /** What is written of a caption so far. */
  text: { caption: number; text: string };
}

/** What a worker is to load. */
export interface WorkerTask {
  models: readonly { name: string; source: ModelSource }[];
  plugins: readonly string[];
  device?: string;
  /** Searched. */
  photos?: string;
  /** Leaves it to another worker to say what is loaded. */
  quiet: boolean;
}

/** A model that a worker has loaded. */
export interface ServedModel {
  name: string;
  uses: Use[];
}

export interface Loaded {
  models: ServedModel[];
  /** Images that can be searched, below the folder, by name. */
  photos: readonly string[];
}

export type ToWorker =
  | { kind: 'load'; task: WorkerTask }
  | { kind: 'run'; id: number; batch: Batch }
  | { kind: 'cancel'; id: number };

export type FromWorker =
  | { kind: 'loaded'; loaded: Loaded }
  | {
      kind: 'failed';
      name: string;
      headline: string;
      details: Record<string, string | undefined>;
      isOurs: boolean;
    }
  | { kind: 'progress'; id: number; progress: Progress }
  | { kind: 'done'; id: number; outcomes: Outcome[] };
