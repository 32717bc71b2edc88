import { mapConcurrently } from '../../common/concurrently.js';
import { log } from '../../common/logging.js';
import { timedProgress } from '../../common/progress.js';
import { clock, counted, formatBytes } from '../../common/words.js';
import { localRank, localWorldSize } from '../../common/world.js';
import { checkEmbeds } from '../../datasets/index.js';
import { type Communicator, onRankZero } from '../../distributed/index.js';
import type { ImageEncoding, Model } from '../../models/index.js';
import type { DatasetsBySplit, Run, RunHook, RunSettings } from '../../runners/index.js';
import { AT_ONCE, encodeViews } from './encode_views.js';
import { hashPictures } from './picture_hashes.js';
import { checkRoom, type KeptSplit, keptSplit, type ViewPlace, viewBytes, viewPlaces } from './places.js';
import { type RememberedSplit, rememberedEncoding, rememberedSplits } from './remembered_splits.js';
import { noteUse, withStore } from './store.js';

/** Other ranks take about as long as this one; how long that is is nobody's fault. */
const PATIENT = { timeoutSeconds: 86_400 };

/** What remembering a run's images takes. */
export interface RememberedSize {
  /** Views of images that the run needs, and those that are still to be encoded. */
  views: number;
  missing: number;
  /** Of all views. */
  bytes: number;
  /** To encode an image, on one rank. */
  secondsEach: number;
}

/**
 * Before a run's first step, and before an evaluation with other weights: what the image encoder makes of each image
 * is computed, unless an earlier run did, and samples have it in place of pixels from then on.
 */
export class RememberImages implements RunHook {
  readonly #splits: readonly RememberedSplit[];
  readonly #limitGb: number;
  /** Of the encoder whose embeddings the datasets have. */
  #digest?: string;

  /** @throws ConfigError for a model or a dataset that cannot have it */
  constructor(model: Model, datasets: DatasetsBySplit, settings: RunSettings, training: boolean) {
    rememberedEncoding(model, settings, training);
    this.#splits = rememberedSplits(datasets, settings);
    this.#limitGb = settings.cacheLimitGb;
  }

  async weightsLoaded(run: Run): Promise<void> {
    const { model, comm } = run;
    const encoding = model.imageEncoding!();
    const digest = await encoding.digest();
    if (digest === this.#digest) return;
    await together(comm, async () => {
      const { places, missing, hashes, splits } = await this.#look(encoding, digest, model, comm);
      const began = Date.now();
      const broken = await this.#encode(encoding, places, missing, run);
      for (const { dataset, folder, views } of splits) {
        dataset.remember!((file) => ({
          folder,
          picture: broken.has(file) ? undefined : hashes.get(file),
          views,
        }));
      }
      const size = `${counted(places.length, 'view')} of images, ${formatBytes(places.length * viewBytes(encoding.shape))}`;
      log.info(
        missing.length === 0
          ? `remembered: ${size}, all from the cache`
          : `remembered: ${size}, ${missing.length} encoded now in ${clock((Date.now() - began) / 1000)}`,
      );
    });
    this.#digest = digest;
  }

  /** What a run will take; encodes a few images, which stay, to tell how long. */
  async tryOut(model: Model, comm: Communicator): Promise<RememberedSize> {
    const encoding = model.imageEncoding!();
    const digest = await encoding.digest();
    return together(comm, async () => {
      const { places, missing } = await this.#look(encoding, digest, model, comm);
      const some = (missing.length > 0 ? missing : places)
        .slice(comm.rank * 2 * AT_ONCE)
        .slice(0, 2 * AT_ONCE);
      let secondsEach = 0;
      // The first batch makes what later ones find ready.
      for await (const { seconds, views } of encodeViews(encoding, some)) secondsEach = seconds / views;
      const bytes = places.length * viewBytes(encoding.shape);
      return { views: places.length, missing: missing.length, bytes, secondsEach };
    });
  }

  /** Which views there have to be, and which are not there; rank 0 looks. @throws ConfigError for too many */
  async #look(encoding: ImageEncoding, digest: string, model: Model, comm: Communicator) {
    const files = [...new Set(this.#splits.flatMap((split) => split.files))];
    const hashes = new Map(
      await onRankZero(comm, 'looks at the images', async () => [...(await hashPictures(files))]),
    );
    const splits: KeptSplit[] = [];
    for (const split of this.#splits) splits.push(await keptSplit(digest, split));
    const places = viewPlaces(splits, hashes);
    const lacking = await onRankZero(comm, 'looks for remembered images', async () => {
      const progress = timedProgress('Checking remembered images', places.length, 'image');
      let checked = 0;
      const found = await mapConcurrently(places, 4, async (place) => {
        const state = await checkEmbeds(place, encoding.shape);
        progress(++checked);
        return state;
      });
      const indices = places.flatMap((_, i) => (found[i] === 'there' ? [] : [i]));
      const removed = found.filter((state) => state === 'removed').length;
      if (removed > 0) {
        log.warn(`${counted(removed, 'remembered image')} cut, damaged or swapped: to be encoded again`);
      }
      await checkRoom(indices.length, places.length, encoding.shape, this.#limitGb);
      await noteUses(splits, `${model.constructor.name} ${encoding.part}`);
      return indices;
    });
    return { places, missing: lacking.map((i) => places[i]), hashes, splits };
  }

  /** All ranks share the work; then those of a machine share what its own disk lacks. @returns broken files */
  async #encode(
    encoding: ImageEncoding,
    places: readonly ViewPlace[],
    missing: readonly ViewPlace[],
    run: Run,
  ): Promise<Set<string>> {
    const { rank, worldSize } = run.comm;
    const broken = await encodeShare(encoding, shareOf(missing, rank, worldSize), run);
    if (worldSize === 1) return broken;
    const here = shareOf(places, localRank(process.env) ?? 0, localWorldSize(process.env));
    const found = await mapConcurrently(here, 4, (place) => checkEmbeds(place, encoding.shape));
    const lacking = here.filter(({ file }, i) => found[i] !== 'there' && !broken.has(file));
    return new Set([...broken, ...(await encodeShare(encoding, lacking, run))]);
  }
}

/** Holds the store on rank 0 while all work. */
const together = <T>(comm: Communicator, work: () => Promise<T>): Promise<T> =>
  comm.rank === 0 ? withStore(work) : work();

async function noteUses(splits: readonly KeptSplit[], encoder: string): Promise<void> {
  for (const folder of new Set(splits.map((split) => split.folder))) {
    const datasets = splits.filter((split) => split.folder === folder).map(({ dataset }) => dataset.name);
    await noteUse(folder, { encoder, datasets, used: new Date().toISOString() });
  }
}

const shareOf = <T>(items: readonly T[], part: number, parts: number): T[] =>
  items.filter((_, i) => i % parts === part);

/** Encodes this rank's share. @returns files of all ranks that cannot be read */
async function encodeShare(
  encoding: ImageEncoding,
  own: readonly ViewPlace[],
  run: Run,
): Promise<Set<string>> {
  const { comm } = run;
  // Ranks ask each other whether to stop: as often as the one that has most.
  const counts = await comm.allGather(own.length, 'images to remember', PATIENT);
  const batches = Math.ceil(Math.max(...counts) / AT_ONCE);
  const progress = timedProgress('Remembering images', own.length, 'image');
  const broken: string[] = [];
  const encoded = encodeViews(encoding, own);
  let done = 0;
  for (let batch = 0; batch < batches; batch++) {
    const { value } = await encoded.next();
    if (value) {
      broken.push(...value.broken);
      progress((done += value.views));
    }
    await run.stopIfAsked();
  }
  return new Set((await comm.allGather(broken, 'broken images', PATIENT)).flat());
}
