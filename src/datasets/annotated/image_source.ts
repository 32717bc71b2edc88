import type { Split } from '../types.js';

/** An archive of images, and the folder that it becomes inside the folder of the images. */
export interface ImageArchive {
  url: string;
  md5?: string;
  /** Its name inside the archive as well: what lies elsewhere in it is not taken. */
  folder: string;
}

/** Where the images of a dataset, or of several, come from. */
export interface ImageSource {
  /** What to do when their folder is missing. */
  readonly help: string;
  /** Those that hold the images of some splits; without it, nobody hands them out. */
  archives?(splits: readonly Split[]): readonly ImageArchive[];
}
