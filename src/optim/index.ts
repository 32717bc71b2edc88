export { AdamW, optimizerGroups, type ParamGroup } from './adamw.js';
export { GradScaler } from './grad_scaler.js';
export * from './lr_schedulers.js';
