/**
 * A dataset: photos with their captions in text files beside them, `dog.jpg` and `dog.txt`, a caption a line.
 * A folder for each split: `<images>/train`, `<images>/val`, `<images>/test`.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CaptionBuilder, CaptionDataset, CaptionEvalDataset, registry } from 'lavis';

class TextBesideBuilder extends CaptionBuilder {
  static defaultConfigs = {}; // or { default: '/where/it/lies/defaults.yaml' }
  static fromConfig(section) {
    return new TextBesideBuilder(section);
  }
  name = 'text_beside'; // as it is registered
  trainDataset = CaptionDataset; // an entry a caption: image, caption, image_id
  evalDataset = CaptionEvalDataset; // an entry an image: image, caption: [...]

  /** Builders with annotation files in JSON need no `prepare` of their own. */
  async prepare(splits) {
    const annotations = new Map();
    for (const split of splits ?? ['train', 'val', 'test']) {
      annotations.set(split, await entriesOf(this.folder, split));
    }
    return { annotations, missing: [] };
  }
}

async function entriesOf(folder, split) {
  const names = (await readdir(join(folder, split))).filter((name) => name.endsWith('.txt')).sort();
  const entries = [];
  for (const [index, name] of names.entries()) {
    const file = join(folder, split, name);
    const captions = (await readFile(file, 'utf8')).split('\n').filter((line) => line.trim() !== '');
    const image = `${split}/${name.replace(/\.txt$/, '.jpg')}`;
    const values = (caption) => ({ image, caption, image_id: name.replace(/\.txt$/, '') });
    const each = split === 'train' ? captions.map(values) : [values(captions)];
    for (const value of each) entries.push({ values: value, file, index });
  }
  return entries;
}

registry.registerBuilder('text_beside')(TextBesideBuilder);
