export { AdamW, type AdamWOptions, type AdamWState, type ParamGroup } from './adamw.js';
export * from './lr_schedulers.js';
