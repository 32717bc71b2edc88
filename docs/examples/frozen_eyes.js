/**
 * A model: BLIP whose image encoder keeps the weights it came with, but for its last blocks. Half the work a
 * step, and less to overfit with when the photos are few.
 */
import { BlipCaption, key, registry, section, types } from 'lavis';

class FrozenEyes extends BlipCaption {
  static configSchema = section({
    ...BlipCaption.configSchema.shape,
    trained_blocks: key(types.count, 0, 'How many of the last blocks of the image encoder are trained.'),
  });

  static async fromConfig({ trained_blocks, ...rest }, options) {
    const model = await super.fromConfig(rest, options);
    const { depth } = model.visualEncoder.config;
    model.firstTrained = depth - (trained_blocks ?? 0);
    return model;
  }

  /** What is trained: gradients are made for these alone. Checkpoints hold `stateDict()`, which is all. */
  namedParameters() {
    const trained = (name) => {
      const block = /^visual_encoder\.blocks\.(\d+)\./.exec(name);
      return block ? Number(block[1]) >= this.firstTrained : !name.startsWith('visual_encoder.');
    };
    return new Map([...super.namedParameters()].filter(([name]) => trained(name)));
  }
}

registry.registerModel('frozen_eyes')(FrozenEyes);
