/** Preloaded (`--import`): koffi as it is in Electron, where no array may lie over memory from outside. */
import { createRequire } from 'node:module';

const koffi = createRequire(import.meta.url)('koffi') as { view: unknown };
koffi.view = () => {
  throw new Error('External buffers are not allowed');
};
