import type { z } from 'zod';
import type { PlainObject } from '../common/config.js';
import type { tf } from '../engine/index.js';
import type { Module } from '../nn/index.js';

/** Images and their texts, as a task hands them to a model. */
export interface CaptionSamples {
  /** [B, H, W, 3], normalised. */
  image: tf.Tensor4D;
  text_input?: readonly string[];
}

/** Parameters that an optimizer treats alike. */
export interface ParameterGroup {
  names: string[];
  params: tf.Variable[];
  weightDecay: number;
}

/** What the registry knows of an architecture. */
export interface ModelClass<M extends Module = Module> {
  /** The default configuration file of each model type. */
  readonly defaultConfigs: Readonly<Record<string, string>>;
  /** The keys of its `model` section; any where left out. */
  readonly configSchema?: z.ZodObject;
  /** @param section the `model` section, defaults merged in. */
  fromConfig(section: PlainObject, options?: BuildOptions): Promise<M>;
}

export interface BuildOptions {
  /** First weights and dropout are drawn from it. */
  seed?: number;
}

declare module '../common/registry.js' {
  interface RegistryKinds {
    // biome-ignore lint/suspicious/noExplicitAny: each architecture has its own samples and outputs
    model: ModelClass<any>;
  }
}
