import type { AddressInfo } from 'node:net';
import { defineCommand } from './command.js';
import { runFolder } from './run_options.js';

const PORT = 8383;

export const watch = defineCommand({
  options: {
    port: {
      type: 'number',
      requiresArg: true,
      defaultDescription: `${PORT}, or a free one`,
      describe: 'Port of the page; 0 takes a free one',
    },
    host: {
      type: 'string',
      requiresArg: true,
      default: '127.0.0.1',
      describe: 'Address to listen on; 0.0.0.0 lets other machines look too',
    },
  },
  positionals: { folder: runFolder },
  examples: [
    ['lavis watch output/BLIP/Caption_shapes', 'follows the newest run there'],
    ['lavis watch output/BLIP/Caption_shapes/20260723101500 --port 9000', 'that run, on another port'],
  ],
  epilogue: 'The page loads nothing from elsewhere, and shows a finished run as well. Ctrl-C ends it.',
  async handler({ folder, port, host }) {
    const { findRun, serveRun } = await import('../reports/index.js');
    const run = await findRun(folder);
    const server = await serveRun(run, { host, port: port ?? PORT, orAnother: port === undefined });
    const { port: taken } = server.address() as AddressInfo;
    console.log(`${run}\nis at http://${host.includes(':') ? `[${host}]` : host}:${taken}/ (Ctrl-C ends)`);
    await new Promise<void>((done) => process.once('SIGINT', done).once('SIGTERM', done));
    server.closeAllConnections();
    server.close();
    return 0;
  },
});
