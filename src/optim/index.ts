export { AdamW, type AdamWOptions, type AdamWState, optimizerGroups, type ParamGroup } from './adamw.js';
export { GradScaler, type GradScalerOptions, type GradScalerState } from './grad_scaler.js';
export * from './lr_schedulers.js';
