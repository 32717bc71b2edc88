import type { Model } from '../models/index.js';
import { type HuggingFaceOptions, writeHuggingFace } from './hugging_face/write.js';
import { type OnnxOptions, writeOnnx } from './onnx/write.js';

export type ExportOptions = ({ format: 'hf' } & HuggingFaceOptions) | ({ format: 'onnx' } & OnnxOptions);

/**
 * Writes a model as other programs read it, into a folder of its own: `hf` for Hugging Face's transformers, `onnx` for
 * transformers.js and ONNX Runtime, in browsers too.
 * @returns the names of the files
 * @throws ConfigError for a model that the format has no place for; CheckpointError or DataError on a full disk
 */
export async function exportModel(model: Model, folder: string, options: ExportOptions): Promise<string[]> {
  return options.format === 'onnx'
    ? writeOnnx(model, folder, options)
    : writeHuggingFace(model, folder, options);
}
