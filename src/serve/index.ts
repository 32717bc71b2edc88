/** Door of serving: models over HTTP, requests put into batches, carried out by processes of their own. */
export { isLoopback } from './access.js';
export { BatchQueue, type Job, type JobOptions, type QueueOptions } from './batch_queue.js';
export { HttpError } from './http_error.js';
export { LIMITS, type Limits } from './limits.js';
export { openApi } from './openapi.js';
export { demoPages } from './pages.js';
export type { Loaded, ServedModel, Use } from './protocol.js';
export { LavisServer, type ServeOptions } from './server.js';
