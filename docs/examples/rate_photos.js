/**
 * A dataset, a model and a task of another kind, without any text: photos with a number each (how bright, how good,
 * how many), a small network that learns the number, and a score that is how far off it is.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  BaseModel,
  BaseTask,
  collate,
  loadProcessor,
  readSection,
  registry,
  section,
  tf,
  types,
} from 'lavis';

/** `<images>/<split>.csv` with lines `photo.jpg,0.7`, the photos beside it. */
class RatedPhotos {
  static defaultConfigs = {};
  static fromConfig(section) {
    return new RatedPhotos(section);
  }
  name = 'rated_photos';

  constructor({ build_info, vis_processor }) {
    this.folder = build_info.images.storage;
    this.processors = vis_processor;
  }

  async buildDatasets(splits = ['train', 'val', 'test']) {
    const datasets = {};
    for (const split of splits) datasets[split] = await this.split(split);
    return datasets;
  }

  async split(split) {
    const text = await readFile(join(this.folder, `${split}.csv`), 'utf8');
    const records = text
      .trim()
      .split('\n')
      .map((line, image_id) => {
        const [image, rating] = line.split(',');
        return { image_id, image, rating: Number(rating) };
      });
    const reader = this.reader(split);
    return {
      name: `${this.name} ${split}`,
      length: records.length,
      get: (index, rng) => reader.read(records[index], rng),
      job: (index) => ({ reader: split, record: records[index] }), // so that loader threads can read it
      readers: { [split]: { builder: this.name, section: this.section, split } },
      imageFiles: () => new Map(records.map(({ image_id, image }) => [image_id, [join(this.folder, image)]])),
      ratings: new Map(records.map(({ image_id, rating }) => [image_id, rating])),
      collate,
    };
  }

  /** Makes samples of records; in loader threads too. */
  reader(split) {
    const { name, ...keys } = this.processors[split === 'train' ? 'train' : 'eval'];
    const processor = loadProcessor(name, keys);
    return {
      read: async ({ image, ...rest }, rng) => ({
        ...rest,
        image: await processor.process(join(this.folder, image), rng),
      }),
    };
  }

  get section() {
    return { build_info: { images: { storage: this.folder } }, vis_processor: this.processors };
  }
}

const modelSchema = section({ arch: types.text, width: types.natural });

/** The means of 8 x 8 patches, a hidden layer, a number. */
class PatchRater extends BaseModel {
  static configSchema = modelSchema;
  static defaultConfigs = {};

  static async fromConfig(given, { seed } = {}) {
    const model = new PatchRater(readSection('model', modelSchema, given).width, seed);
    model.initialize(seed ?? 42);
    return model;
  }

  constructor(width, seed) {
    super(seed);
    const drawn = (fan) => (values, rng) => {
      for (let i = 0; i < values.length; i++) values[i] = rng.normal() / Math.sqrt(fan);
    };
    this.hidden = this.parameter('hidden.weight', [8 * 8 * 3, width], drawn(8 * 8 * 3));
    this.bias = this.parameter('hidden.bias', [width], () => {});
    this.out = this.parameter('out.weight', [width, 1], drawn(width));
  }

  /** @returns [B] */
  rate(image) {
    const [batch, height, width] = image.shape;
    const patches = tf.avgPool(image, [height / 8, width / 8], [height / 8, width / 8], 'valid');
    const hidden = tf.tanh(tf.add(tf.matMul(tf.reshape(patches, [batch, -1]), this.hidden), this.bias));
    return tf.reshape(tf.matMul(hidden, this.out), [batch]);
  }

  forward({ image, rating }) {
    return { loss: tf.mean(tf.square(tf.sub(this.rate(image), tf.tensor1d(rating)))) };
  }
}

class Rating extends BaseTask {
  static configSchema = section({});
  resultKey = 'image_id';
  primaryMetric = 'mean_error';
  /** For `run.monitor: mean_error`. */
  lowerIsBetter = ['mean_error'];

  static setupTask() {
    return new Rating();
  }

  async validStep(model, { image, image_id }) {
    const rated = tf.tidy(() => model.rate(tf.tensor4d(image.data, image.shape)));
    const values = await rated.data();
    rated.dispose();
    return image_id.map((id, i) => ({ image_id: id, rating: values[i] }));
  }

  /** The highest agg_metrics is the best checkpoint: the smaller error is better. */
  async afterEvaluation(results, { split, dataset, writeLine }) {
    const errors = results.map(({ image_id, rating }) => Math.abs(rating - dataset.ratings.get(image_id)));
    const mean_error = errors.reduce((sum, error) => sum + error, 0) / errors.length;
    await writeLine('evaluate.txt', JSON.stringify({ [split]: { mean_error } }));
    return { agg_metrics: -mean_error, mean_error };
  }

  /** Pictures with what was said of them, for reports and the live page. */
  async show(results, { dataset }) {
    const files = dataset.imageFiles();
    const samples = results.map(({ image_id, rating }) => ({
      id: image_id,
      files: files.get(image_id),
      said: rating.toFixed(2),
      references: [String(dataset.ratings.get(image_id))],
      score: -Math.abs(rating - dataset.ratings.get(image_id)),
    }));
    return { score: 'minus the error', samples };
  }
}

registry.registerBuilder('rated_photos')(RatedPhotos);
registry.registerModel('patch_rater')(PatchRater);
registry.registerTask('rating')(Rating);
