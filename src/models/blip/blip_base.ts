import type { z } from 'zod';
import { ConfigError, DataError, messageOf } from '../../common/errors.js';
import { log } from '../../common/logging.js';
import { resolveFile } from '../../common/paths.js';
import { type PlainObject, readSection } from '../../config/index.js';
import { freezeNamed } from '../../nn/index.js';
import { BaseModel, FINETUNED_OPTION, PRETRAINED_OPTION } from '../base_model.js';
import { checkHuggingFaceConfig, type HuggingFaceConfig } from '../hugging_face/config.js';
import { type MedConfig, readMedConfig } from '../med/config.js';
import type { BuildOptions } from '../model.js';
import { namedWeights } from '../named_weights.js';
import type { VocabularyGrowth } from '../tokenizer/added_words.js';
import type { BertTokenizer } from '../tokenizer/tokenizer.js';
import { tokenizerOf } from '../tokenizer/vocabulary.js';
import type { VitConfig } from '../vit.js';
import { locateWeights, type MayLack } from '../weights.js';
import { type BlipSection, vitConfigOf } from './config.js';

/** What a BLIP is made of. */
export interface BlipParts<S extends BlipSection = BlipSection> {
  /** The `model` section, read by the class's own schema. */
  section: S;
  vit: VitConfig;
  med: MedConfig;
  tokenizer: BertTokenizer;
  seed: number;
}

/** A class of the family, as `fromConfig` builds it. */
interface BlipClass<M extends BlipBase, S extends BlipSection> {
  new (parts: BlipParts<S>): M;
  readonly configSchema: z.ZodObject & z.ZodType<S>;
  /** The BERT json may lack the tokens that BLIP adds: the embedding grows to the tokenizer's length. */
  readonly growsVocabulary?: boolean;
  /** Refuses a section before files are fetched for it. @throws ConfigError */
  checkSection?(section: S): void;
}

/** What every BLIP shares: its `model` section, tokenizer, sizes, weights and generator. */
export abstract class BlipBase extends BaseModel {
  readonly tokenizer: BertTokenizer;
  /** Where `model.added_words` made the vocabulary larger than that of the weights it starts from. */
  vocabularyGrowth?: VocabularyGrowth;
  /** The image encoder's sizes. */
  readonly vit: VitConfig;
  /** The sizes of the text encoder and decoder. */
  readonly med: MedConfig;

  /** Parameters start as zeros: see `initialize`, `loadStateDict`, `loadCheckpoint`. */
  constructor({ tokenizer, seed, vit, med }: BlipParts) {
    super(seed);
    this.tokenizer = tokenizer;
    this.vit = vit;
    this.med = med;
  }

  checkForeignConfig(config: HuggingFaceConfig, where: string): void {
    checkHuggingFaceConfig(config, this, where);
  }

  /**
   * Builds the model that a `model` section describes, and loads the weights that it names; the rest is drawn.
   * @throws ConfigError for wrong keys or sizes, DataError or CheckpointError for files.
   */
  static async fromConfig<M extends BlipBase, S extends BlipSection>(
    this: BlipClass<M, S>,
    section: PlainObject,
    { seed = 42, training = true }: BuildOptions = {},
  ): Promise<M> {
    const config: S = readSection('model', this.configSchema, section, { unknown: 'warn' });
    this.checkSection?.(config);
    refuseStillWords(config);
    const vit = vitConfigOf(config);
    const source = weightsOf(config, training);
    // Before the model takes its memory, and both, so that one message tells all that is not there.
    const [{ tokenizer, growth }] = await waitForBoth(
      tokenizerOf(config),
      source && locateWeights(source.place, source.option),
    );
    const med = readMedConfig(config.med_config_path, {
      vocabSize: tokenizer.length,
      encoderWidth: vit.width,
      grows: this.growsVocabulary || growth !== undefined,
    });
    const model = new this({ section: config, vit, med, tokenizer, seed });
    model.vocabularyGrowth = growth;
    try {
      const anew = await model.#start(seed, source);
      if (config.lora) model.adapt(config.lora, anew, seed);
      if (config.lora && training && !source) {
        log.warn(
          'model.lora adapts randomly initialized weights: name trained ones with model.pretrained=FILE',
        );
      }
      if (config.adapter) await model.loadAdapter(resolveFile(config.adapter));
      model.#freeze(config, training);
    } catch (thrown) {
      model.dispose();
      throw thrown;
    }
    return model;
  }

  /** Another task has other heads, and may have another text side; an image encoder is what a start is for. */
  override mayStartNew(name: string): boolean {
    return !name.startsWith('visual_encoder.');
  }

  /** Called once the first weights are there: what belongs to the run that made them starts over. */
  protected begin(): void {}

  /** Takes what the section names out of training. @throws ConfigError for a name that is none of a part */
  #freeze({ freeze_vit: vit, freeze = [] }: BlipSection, training: boolean): void {
    if (vit) freezeNamed(this, ['visual_encoder'], 'model.freeze_vit');
    freezeNamed(this, freeze, 'model.freeze');
    if (training && this.namedParameters().size === 0) {
      throw new ConfigError('nothing is left to train', {
        where: 'model.freeze',
        found: `${freeze.join(', ')} is all of the model`,
      });
    }
  }

  /** Loads what there is to load, and draws the rest. @returns what the loaded weights lacked */
  async #start(seed: number, source: WeightsSource | undefined): Promise<Set<string>> {
    const report = source && (await this.load(source.place, source.option, source.mayLack));
    const anew = report && this.undrawn(report.missing);
    this.initialize(seed, anew);
    this.fillMissing(report?.missing ?? [...this.stateDict().keys()]);
    this.begin();
    return anew ?? new Set();
  }
}

/** @throws ConfigError where words that were added could not be learnt */
function refuseStillWords({ added_words: added, lora }: BlipSection): void {
  if (!added || !lora) return;
  throw new ConfigError('model.added_words and model.lora exclude each other', {
    found: 'LoRA leaves the embeddings of words as they are: those that are added would not be learnt',
    help: 'model.lora=null and model.freeze_vit=True',
  });
}

interface WeightsSource {
  place: string;
  option: string;
  mayLack: MayLack;
}

/** Where the weights that a section names lie. @throws ConfigError where it wants some and does not say which */
function weightsOf(config: BlipSection, training: boolean): WeightsSource | undefined {
  const named = namedWeights(config);
  if (!named) return undefined;
  const { key, place } = named;
  if (!place) {
    throw new ConfigError(`model.load_${key} is true, and model.${key} names no file`, {
      help: `model.${key}=FILE, or model.load_${key}=False`,
    });
  }
  if (key === 'finetuned') return { place, option: FINETUNED_OPTION, mayLack: 'nothing' };
  return { place, option: PRETRAINED_OPTION, mayLack: training ? 'what may start anew' : 'nothing' };
}

/** Waits for both. @throws the failure, or one DataError that tells both. */
async function waitForBoth<A, B>(a: Promise<A>, b: Promise<B> | undefined): Promise<[A, B | undefined]> {
  const results = await Promise.allSettled([a, b]);
  const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  if (reasons.length === 2) {
    throw new DataError('the model needs two files that could not be fetched', {
      found: reasons.map(messageOf).join('\n'),
    });
  }
  if (reasons.length === 1) throw reasons[0];
  return results.map((result) => (result as PromiseFulfilledResult<unknown>).value) as [A, B | undefined];
}
