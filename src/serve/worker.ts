/**
 * A worker process of `lavis serve`: loads the models that it is told to, then carries out batches. It ends when the
 * server that started it has gone; Ctrl-C, which a terminal sends to both, is the server's to obey.
 */
import { LavisError, messageOf } from '../common/errors.js';
import { configureLogging } from '../common/logging.js';
import { loadPlugin } from '../config/index.js';
import { Cancelled } from './at_work.js';
import type { FromWorker, ToWorker } from './protocol.js';
import { ServedModels } from './served_models.js';

const send = (message: FromWorker) => {
  if (process.connected) process.send!(message);
};

let models: ServedModels | undefined;
/** The batch that nobody waits for any more. */
let cancelled = -1;

async function receive(message: ToWorker): Promise<void> {
  if (message.kind === 'load') {
    configureLogging({ quiet: message.task.quiet });
    for (const plugin of message.task.plugins) await loadPlugin(plugin);
    models = await ServedModels.load(message.task);
    send({ kind: 'loaded', loaded: models.loaded });
  } else if (message.kind === 'cancel') cancelled = message.id;
  else {
    const { id, batch } = message;
    const outcomes = await models!.run(batch, {
      onProgress: (progress) => send({ kind: 'progress', id, progress }),
      throwIfCancelled() {
        if (cancelled === id) throw new Cancelled();
      },
    });
    send({ kind: 'done', id, outcomes });
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
process.on('disconnect', () => process.exit(0));
process.on('message', (message: ToWorker) => {
  receive(message).catch((thrown: unknown) => {
    const isOurs = thrown instanceof LavisError;
    const details = isOurs ? thrown.details : {};
    const { where, found, allowed, help } = details;
    const headline = isOurs
      ? thrown.headline
      : thrown instanceof Error
        ? (thrown.stack ?? '')
        : messageOf(thrown);
    const name = thrown instanceof Error ? thrown.name : 'Error';
    send({ kind: 'failed', name, headline, details: { where, found, allowed, help }, isOurs });
  });
});
