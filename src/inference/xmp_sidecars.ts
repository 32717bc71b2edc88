import { existsSync } from 'node:fs';
import { writeFileAtomic } from '../common/files.js';
import { readText } from '../common/text_file.js';
import { besideOld, type Captioned, type CaptionFiles, type Existing } from './caption_files.js';
import { XmpDocument } from './xmp.js';

/**
 * Captions as the description in XMP sidecars, which photo managers read: `photo.jpg` -> `photo.jpg.xmp`, the name
 * that darktable and digiKam have. Of a sidecar that is there, nothing else is changed.
 */
export class XmpSidecars implements CaptionFiles {
  constructor(private readonly existing: Existing) {}

  /** Each sidecar that is there is read now: what cannot be used is told before the first caption is made. */
  async missing(images: readonly string[]): Promise<string[]> {
    const lacking: string[] = [];
    for (const image of images) {
      const described = (await readSidecar(sidecarOf(image)))?.description;
      if (this.existing !== 'skip' || !described) lacking.push(image);
    }
    return lacking;
  }

  /** A line of the description for each caption. */
  async write({ image, captions }: Captioned): Promise<void> {
    const path = sidecarOf(image);
    const document = (await readSidecar(path)) ?? XmpDocument.empty();
    const old = document.description;
    if (old && this.existing === 'skip') return;
    document.description = besideOld(captions.join('\n'), old, this.existing);
    await writeFileAtomic(path, document.toString());
  }
}

const sidecarOf = (image: string) => `${image}.xmp`;

async function readSidecar(path: string): Promise<XmpDocument | undefined> {
  if (!existsSync(path)) return undefined;
  return XmpDocument.parse(await readText(path, { what: 'an XMP sidecar' }), path);
}
