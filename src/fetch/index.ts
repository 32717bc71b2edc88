/** Door of fetch: files from elsewhere, whole or not at all, and what is unpacked from them. */

export { downloadFile, ensureFile, weightsCachePath } from './download.js';
export { type DownloadItem, fetchItems, placeOf } from './fetch_items.js';
export { withFileLock } from './file_lock.js';
export { request } from './request.js';
export { openZip } from './zip_file.js';
