/** A rank of two that meet: rank 0 offers memory that rank 1 cannot open, and waits; rank 1 lives on with its error. */
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '#src/common/errors.js';
import { readWorld } from '#src/common/world.js';
import { LocalCommunicator } from '#src/distributed/local/local_communicator.js';
import { Mesh } from '#src/distributed/local/mesh.js';

const print = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
const world = readWorld();
const folder = process.env.LAVIS_MEETING_FOLDER!;
try {
  if (world.rank > 0) await LocalCommunicator.create(world, { folder, timeoutSeconds: 60 });
  const memory = { path: '/nowhere/memory', slot: 65536 };
  const mesh = await Mesh.meet({ folder, ...world, memory, timeoutSeconds: 60 });
  const [operation, name, timeoutSeconds] = ['barrier', 'all', 60] as const;
  const deadline = performance.now() + timeoutSeconds * 1000;
  await mesh.others({ sequence: 0, operation, name, size: 0, deadline, timeoutSeconds }, 0);
} catch (error) {
  print({ rank: world.rank, error: messageOf(error) });
}
if (world.rank > 0) await sleep(120_000);
