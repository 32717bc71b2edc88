import assert from 'node:assert/strict';
import { test } from 'node:test';
import { localRank, localWorldSize, readWorld } from '#src/common/world.js';

const world = (env: Record<string, string>) => {
  const { launcher, rank, worldSize, localRank, localWorldSize } = readWorld(env);
  return [launcher, rank, worldSize, localRank, localWorldSize];
};

test('without a launcher there is one rank', () => {
  assert.deepEqual(world({}), ['none', 0, 1, 0, 1]);
});

test('torchrun’s variables are read, several machines included', () => {
  const env = { RANK: '9', WORLD_SIZE: '16', LOCAL_RANK: '1', LOCAL_WORLD_SIZE: '8' };
  assert.deepEqual(world(env), ['torchrun', 9, 16, 1, 8]);
  assert.deepEqual(world({ RANK: '1', WORLD_SIZE: '2' }), ['torchrun', 1, 2, 1, 2]);
});

test('Open MPI’s, MPICH’s and Slurm’s variables are read', () => {
  const openMpi = { SIZE: '4', RANK: '3', LOCAL_RANK: '1', LOCAL_SIZE: '2' };
  assert.deepEqual(
    world(Object.fromEntries(Object.entries(openMpi).map(([k, v]) => [`OMPI_COMM_WORLD_${k}`, v]))),
    ['openmpi', 3, 4, 1, 2],
  );
  const mpich = { PMI_SIZE: '4', PMI_RANK: '2', MPI_LOCALRANKID: '0', MPI_LOCALNRANKS: '2' };
  assert.deepEqual(world(mpich), ['mpich', 2, 4, 0, 2]);
  const slurm = {
    SLURM_JOB_ID: '7',
    SLURM_STEP_ID: '0',
    SLURM_STEP_NUM_TASKS: '8',
    SLURM_PROCID: '5',
    SLURM_LOCALID: '1',
  };
  assert.deepEqual(world(slurm), ['slurm', 5, 8, 1, 8]);
  const nodes = { SLURM_STEP_NUM_NODES: '2', SLURM_STEP_TASKS_PER_NODE: '4(x2)' };
  assert.deepEqual(world({ ...slurm, ...nodes }), ['slurm', 5, 8, 1, 4]);
});

test('all launchers say which rank of its machine a worker is, also where two of them do', () => {
  const slurm = {
    ...{ SLURM_JOB_ID: '7', SLURM_STEP_ID: '0', SLURM_STEP_NUM_TASKS: '8', SLURM_PROCID: '5' },
    ...{
      SLURM_STEP_NUM_NODES: '2',
      SLURM_STEP_TASKS_PER_NODE: '4(x2)',
      SLURM_NODEID: '1',
      SLURM_LOCALID: '1',
    },
  };
  const openMpi = Object.fromEntries(
    Object.entries({ RANK: '5', SIZE: '8', LOCAL_RANK: '1', LOCAL_SIZE: '4' }).map(([name, value]) => [
      `OMPI_COMM_WORLD_${name}`,
      value,
    ]),
  );
  const byHand = { RANK: '5', WORLD_SIZE: '8' };
  const launchers: Record<string, Record<string, string>> = {
    torchrun: { ...byHand, LOCAL_RANK: '1', LOCAL_WORLD_SIZE: '4' },
    'Open MPI': openMpi,
    'Open MPI, names of torchrun by hand': { ...openMpi, ...byHand },
    'MPICH and Intel MPI': { PMI_RANK: '5', PMI_SIZE: '8', MPI_LOCALRANKID: '1', MPI_LOCALNRANKS: '4' },
    Slurm: slurm,
    "Slurm with MPICH's protocol": { ...slurm, PMI_RANK: '5', PMI_SIZE: '8' },
    'Slurm, names of torchrun by hand': { ...slurm, ...byHand },
  };
  for (const [name, env] of Object.entries(launchers)) {
    assert.deepEqual(world(env).slice(1), [5, 8, 1, 4], name);
    assert.equal(localRank(env), 1, name);
    assert.equal(localWorldSize(env), 4, name);
  }
  assert.equal(localRank({ SLURM_JOB_ID: '7', SLURM_LOCALID: '0', SLURM_PROCID: '0' }), undefined);
});

test('a Slurm batch script is no rank: only a step has several', () => {
  assert.deepEqual(world({ SLURM_JOB_ID: '7', SLURM_NTASKS: '8', SLURM_PROCID: '0' }), ['none', 0, 1, 0, 1]);
});

test('variables that contradict each other are refused', () => {
  assert.throws(() => readWorld({ RANK: '2', WORLD_SIZE: '2' }), /rank 2 of 2/);
  assert.throws(() => readWorld({ RANK: '0' }), /names no rank of a run/);
  assert.throws(() => readWorld({ WORLD_SIZE: 'two', RANK: '0' }), /unset the variables/);
});
