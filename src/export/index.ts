/** Door of export: models written in the layouts of other programs. */
export { type ExportOptions, exportModel } from './export_model.js';
export type { GenerationDefaults } from './hugging_face/write.js';
export type { CardFacts } from './model_card.js';
export type { Preprocessing } from './processor_files.js';
