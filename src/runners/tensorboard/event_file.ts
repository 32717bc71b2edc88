import { appendFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeScalar, encodeVersion, type Scalar } from './messages.js';
import { frame } from './tfrecord.js';

/** Ours, not those of another program in the same folder. */
const NAME = /^events\.out\.tfevents\.\d+\.lavis$/;

/** TensorBoard's event file: `tensorboard --logdir <output_dir>` shows each run by its folder's name. */
export class EventFile {
  private constructor(private readonly path: string) {}

  /** Begins a new file in place of an older one of the same run. */
  static async create(folder: string): Promise<EventFile> {
    const older = (await readdir(folder)).filter((name) => NAME.test(name));
    await Promise.all(older.map((name) => rm(join(folder, name), { force: true })));
    const seconds = Date.now() / 1000;
    const path = join(folder, `events.out.tfevents.${Math.floor(seconds)}.lavis`);
    await appendFile(path, frame(encodeVersion(seconds)));
    return new EventFile(path);
  }

  /** Each value as an event of its own. */
  async append(scalars: readonly Scalar[]): Promise<void> {
    if (scalars.length === 0) return;
    await appendFile(this.path, Buffer.concat(scalars.map((scalar) => frame(encodeScalar(scalar)))));
  }
}
