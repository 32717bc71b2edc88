import type { Model } from '../models/index.js';
import { type HuggingFaceOptions, writeHuggingFace } from './hugging_face/write.js';

export type ExportOptions = { format: 'hf' } & HuggingFaceOptions;

/**
 * Writes a model as another program reads it, into a folder of its own.
 * @returns the names of the files
 * @throws ConfigError for a model that the format has no place for; CheckpointError or DataError on a full disk
 */
export async function exportModel(model: Model, folder: string, options: ExportOptions): Promise<string[]> {
  return writeHuggingFace(model, folder, options);
}
