export * from './lr_schedulers.js';
