/** A processor: the whole picture, not squeezed into a square but with bars beside it. */
import { BlipImageEvalProcessor, key, readSection, registry, section, types } from 'lavis';

class Letterbox extends BlipImageEvalProcessor {
  static configSchema = section({
    ...BlipImageEvalProcessor.configSchema.shape,
    grey: key(types.count, 128, 'How bright the bars are: 0 to 255.'),
  });

  static fromConfig(given) {
    const { image_size, mean, std, grey } = readSection('letterbox', Letterbox.configSchema, given);
    return Object.assign(new Letterbox({ imageSize: image_size, mean, std }), { grey });
  }

  /** @param image bytes, red green blue, row by row. @param rng where a random processor draws from. */
  apply(image, rng, out) {
    return super.apply(this.#squared(image), rng, out);
  }

  #squared({ data, width, height }) {
    const side = Math.max(width, height);
    const square = new Uint8Array(side * side * 3).fill(this.grey);
    const left = Math.floor((side - width) / 2);
    const top = Math.floor((side - height) / 2);
    for (let row = 0; row < height; row++) {
      const line = data.subarray(row * width * 3, (row + 1) * width * 3);
      square.set(line, ((top + row) * side + left) * 3);
    }
    return { data: square, width: side, height: side };
  }
}

registry.registerProcessor('letterbox')(Letterbox);
