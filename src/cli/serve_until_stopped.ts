import { log } from '../common/logging.js';
import type { ServeOptions } from '../serve/index.js';

/**
 * Serves until SIGTERM or Ctrl-C, then lets it finish what it has begun.
 * @param tell hears of the address when the models are loaded
 * @returns the exit code
 */
export async function serveUntilStopped(
  options: ServeOptions,
  tell: (url: string) => void | Promise<void>,
): Promise<number> {
  const { LavisServer } = await import('../serve/index.js');
  const server = new LavisServer(options);
  const stopped = new Promise<void>((done) => process.once('SIGINT', done).once('SIGTERM', done));
  const loaded = await Promise.race([server.start(), stopped]);
  if (loaded) {
    for (const { name, uses } of loaded.models) log.info(`${name}: ${uses.join(', ')}`);
    if (loaded.photos.length > 0)
      log.info(
        `${loaded.photos.length} images of ${options.task.photos} can be ${loaded.models.some(({ uses }) => uses.includes('search')) ? 'searched' : 'chosen'}`,
      );
    await tell(server.url);
    log.info('Ctrl-C ends it');
    await stopped;
    log.info('Ending: what is in flight is finished; Ctrl-C again ends at once');
  }
  process.once('SIGINT', () => process.exit(130));
  await server.end();
  return 0;
}
