import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { runMpi, runRanks } from './ranks.js';

const skip = spawnSync('mpirun', ['--version']).status === 0 ? false : 'mpirun is not on PATH';
const byRank = <T extends { rank: number }>(values: unknown[]) =>
  (values as T[]).sort((a, b) => a.rank - b.rank);

test('MPI sums as the local communicator does: to the same bits on two ranks', { skip }, async () => {
  const args = ['sums', '0', '1', '5', '70001', '300001'];
  const [mpi, [local]] = [await runMpi(2, 'collectives', args), await runRanks(2, 'collectives', args)];
  assert.equal(mpi.code, 0, mpi.output);
  assert.equal(mpi.values.length, 10);
  const digests = new Map(local.values.map((v) => [(v as { length: number }).length, v]));
  for (const value of mpi.values as { rank: number; length: number; digest: number; worst: number }[]) {
    assert.deepEqual({ ...value, rank: 0 }, digests.get(value.length));
  }
});

test('MPI broadcasts, gathers and waits', { skip }, async () => {
  const { code, values, output } = await runMpi(3, 'collectives', ['mixture']);
  assert.equal(code, 0, output);
  const expected = { bytes: true, ranks: [0, 1, 2], typed: true, answer: 'from rank 0' };
  assert.deepEqual(values, [expected, expected, expected]);
});

test('two MPI ranks train to the weights of two local ones', { skip }, async () => {
  type Trained = { rank: number; digest: string };
  const args = ['digest'];
  const [mpi, local] = [await runMpi(2, 'training', args), await runRanks(2, 'training', args)];
  assert.equal(mpi.code, 0, mpi.output);
  const expected = (local[0].values[0] as Trained).digest;
  assert.deepEqual(byRank<Trained>(mpi.values), [
    { rank: 0, digest: expected },
    { rank: 1, digest: expected },
  ]);
});

test('under MPI, ranks at different calls are told what each is at', { skip }, async () => {
  const { code, values, output } = await runMpi(3, 'collectives', ['mismatch', 'size']);
  assert.notEqual(code, 0);
  assert.ok(values.length >= 1, output);
  for (const { error } of values as { error: string }[]) {
    assert.match(error, /different calls[\s\S]*rank 1: allReduce 'gradients' of 36 bytes/);
  }
});

test('under MPI, a rank that hangs is named when the time is over', { skip }, async () => {
  const { values, output, seconds } = await runMpi(3, 'collectives', ['hang'], { TEST_TIMEOUT: '4' });
  assert.ok(values.length >= 1, output);
  for (const { error } of values as { error: string }[]) {
    assert.match(error, /rank 1 did not come to barrier 'second' in 4 s/);
  }
  assert.ok(seconds < 40);
});

test('under MPI, a rank that is killed ends the run', { skip }, async () => {
  const { code, seconds, output } = await runMpi(2, 'collectives', ['die']);
  assert.notEqual(code, 0, output);
  assert.ok(seconds < 40);
});

/** One of two ranks, each on a machine of its own, as torchrun says it. */
const apart = { RANK: '1', WORLD_SIZE: '2', LOCAL_WORLD_SIZE: '1', LOCAL_RANK: '0' };

test('a rank that no MPI launcher started says so before MPI is asked, and who starts it', async () => {
  const torchrun = { ...apart, MASTER_ADDR: '10.255.255.1', MASTER_PORT: '29501' };
  const slurm = { SLURM_JOB_ID: '7', SLURM_STEP_ID: '0', SLURM_STEP_NUM_TASKS: '2' };
  const nodes = {
    SLURM_PROCID: '1',
    SLURM_LOCALID: '0',
    SLURM_STEP_NUM_NODES: '2',
    SLURM_STEP_TASKS_PER_NODE: '1(x2)',
    SLURM_NODEID: '1',
  };
  for (const [env, found, help] of [
    [
      torchrun,
      'RANK=1, WORLD_SIZE=2, .*MASTER_ADDR=10.255.255.1, MASTER_PORT=29501 \\(torchrun\\)',
      'mpirun -np 2',
    ],
    [{ ...slurm, ...nodes, RANK: '', WORLD_SIZE: '' }, 'SLURM_PROCID=1, .*\\(slurm\\)', 'srun --mpi=pmix'],
  ] as const) {
    const [{ code, output }] = await runRanks(1, 'collectives', ['sums', '1'], { env });
    assert.equal(code, 1, output);
    assert.match(
      output,
      new RegExp(`no MPI launcher started this one\n +found: +${found}[\\s\\S]*help: +${help}`),
    );
  }
});

test('without MPI the error has the line that installs it', async () => {
  const [{ code, output }] = await runRanks(1, 'collectives', ['sums'], {
    env: { ...apart, OMPI_COMM_WORLD_SIZE: '2', LAVIS_LIBMPI: '/nowhere/libmpi.so' },
  });
  assert.notEqual(code, 0);
  assert.match(output, /MPI is not installed[\s\S]*apt-get install -y openmpi-bin/);
});
