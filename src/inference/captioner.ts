import {
  type CaptionModel,
  captionImages,
  captionModel,
  checkedOptions,
  type GenerateOptions,
  type ScoredCaption,
} from '../models/index.js';
import { newImages } from '../processors/index.js';
import { CaptionTask } from '../tasks/index.js';
import { type CaptionFiles, CaptionTexts, type Existing, SeveralFiles } from './caption_files.js';
import { inBatches } from './image_batches.js';
import { defined, type ModelSource, type Use, type UsedModel, useModel } from './use_model.js';
import { XmpSidecars } from './xmp_sidecars.js';

/** What turns images into captions. */
export interface Captioner extends UsedModel<CaptionModel> {
  /** What the YAML and the caller say of generation. */
  settings: GenerateOptions;
}

export interface CaptionerOptions extends Pick<Use<CaptionModel>, 'caller' | 'device'> {
  /** What captions begin with, in place of the model's own. */
  prompt?: string;
  /** Goes before what the YAML says of generation; what is undefined is left to it. */
  generation?: GenerateOptions;
}

/**
 * The model, its processor and its settings that a source names; `blip_caption` where it names no architecture.
 * @throws LavisError
 */
export async function loadCaptioner(
  source: ModelSource,
  { caller, device, prompt, generation = {} }: CaptionerOptions,
): Promise<Captioner> {
  const asked = defined(generation);
  let settings: GenerateOptions = asked;
  // Which search it is decides on other defaults.
  const sampling = generation.useNucleusSampling;
  const used = await useModel(source, {
    caller,
    device,
    arch: 'blip_caption',
    values: {
      model: prompt === undefined ? {} : { prompt },
      run: sampling === undefined ? {} : { use_nucleus_sampling: sampling },
    },
    check(config) {
      settings = { ...CaptionTask.setupTask(config).settings, ...asked };
      checkedOptions(settings);
    },
    accept: captionModel,
  });
  return { ...used, settings };
}

/** A captioner at work. */
export interface CaptionJob extends Captioner {
  /** Images at a time. */
  size: number;
  /** Prints and writes an image's captions. */
  take(image: string, captions: readonly ScoredCaption[], source: string | Uint8Array): Promise<void>;
}

/** Captions images, some at a time. @param title of the progress that is shown, if any @returns how many could not be read, or their files written */
export function captionAll(job: CaptionJob, images: readonly string[], title?: string): Promise<number> {
  const { model, processor, settings, size } = job;
  return inBatches(images, { size, title }, ({ names, sources, passOver }) =>
    captionImages(model, processor, sources, {
      ...settings,
      batchSize: size,
      onError: passOver,
      onCaptions: async (_, i, scored) => {
        await job.take(names[i], scored, sources[i]).catch((thrown) => {
          if (!ofThisPlace(thrown)) throw thrown;
          passOver(thrown, i);
        });
      },
    }),
  );
}

const PLACES = ['EACCES', 'EEXIST', 'EISDIR', 'ENAMETOOLONG', 'ENOTDIR', 'ENOTEMPTY', 'EPERM', 'EROFS'];

/** Whether only this image's file cannot be written, so that others may be: a full disk is everybody's. */
function ofThisPlace(thrown: NodeJS.ErrnoException): boolean {
  const { code } = thrown.cause instanceof Error ? (thrown.cause as NodeJS.ErrnoException) : thrown;
  return code !== undefined && PLACES.includes(code);
}

export interface NewImagesOptions {
  /** Whether the folders of a folder are watched too. */
  recursive: boolean;
  /** Leave out what these have a caption of. */
  files?: CaptionFiles;
  /** Ends it. */
  signal: AbortSignal;
}

/** Captions what comes into folders, until the signal. @returns how many could not be read */
export async function captionNew(
  job: CaptionJob,
  folders: readonly string[],
  { recursive, files, signal }: NewImagesOptions,
): Promise<number> {
  let failures = 0;
  for await (const found of newImages(folders, new Set(), signal, { recursive })) {
    const images = files ? await files.missing(found) : found;
    for (let i = 0; i < images.length && !signal.aborted; i += job.size) {
      failures += await captionAll(job, images.slice(i, i + job.size));
    }
  }
  return failures;
}

/** What holds captions beside images: text files with an ending, XMP sidecars, both; undefined for neither. */
export function captionFiles({
  text,
  xmp,
  existing,
}: {
  text?: 'txt' | 'caption';
  xmp?: boolean;
  existing: Existing;
}): CaptionFiles | undefined {
  const texts = text && new CaptionTexts(text, existing);
  const sidecars = xmp ? new XmpSidecars(existing) : undefined;
  return texts && sidecars ? new SeveralFiles([texts, sidecars]) : (texts ?? sidecars);
}
