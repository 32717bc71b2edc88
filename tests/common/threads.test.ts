import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { cpuQuota } from '#src/common/cpu_quota.js';
import { shareOfProcessors, threadsOfProcess } from '#src/common/threads.js';
import { localWorldSize } from '#src/common/world.js';
import { temporaryFolder } from '../support.js';

const folder = temporaryFolder();

/** A root folder with these files. */
function system(files: Record<string, string> = {}): string {
  const root = mkdtempSync(join(folder, 'root-'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

const MOUNT_2 = '29 23 0:26 / /sys/fs/cgroup rw,nosuid,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n';
const MOUNT_1 = (top: string) =>
  `30 23 0:25 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n33 30 0:29 ${top} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n34 30 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n`;

const version2 = (group: string, quotas: Record<string, string>) =>
  system({
    'proc/self/cgroup': `0::${group}\n`,
    'proc/self/mountinfo': MOUNT_2,
    ...Object.fromEntries(Object.entries(quotas).map(([at, text]) => [`sys/fs/cgroup${at}/cpu.max`, text])),
  });

const version1 = (group: string, top: string, quotas: Record<string, [quota: string, period: string]>) =>
  system({
    'proc/self/cgroup': `9:name=systemd:/x\n3:cpuset:/elsewhere\n2:cpu,cpuacct:${group}\n`,
    'proc/self/mountinfo': MOUNT_1(top),
    ...Object.fromEntries(
      Object.entries(quotas).flatMap(([at, [quota, period]]) => [
        [`sys/fs/cgroup/cpu,cpuacct${at}/cpu.cfs_quota_us`, `${quota}\n`],
        [`sys/fs/cgroup/cpu,cpuacct${at}/cpu.cfs_period_us`, `${period}\n`],
      ]),
    ),
  });

describe('the quota of a control group', () => {
  const cases: [what: string, root: string, quota: number][] = [
    ['no such groups', system(), Number.POSITIVE_INFINITY],
    ['v2, in a container', version2('/', { '': '150000 100000\n' }), 1.5],
    ['v2, none', version2('/', { '': 'max 100000\n' }), Number.POSITIVE_INFINITY],
    ['v2, above', version2('/a/b', { '/a': '300000 100000\n', '/a/b': 'max 100000\n' }), 3],
    ['v2, the least', version2('/a/b', { '/a': '300000 100000\n', '/a/b': '50000 25000\n' }), 2],
    ['v2, seen from outside', version2('/../../docker/1f', { '': '400000 100000\n' }), 4],
    ['v1', version1('/job', '/', { '/job': ['100000', '100000'] }), 1],
    ['v1, none', version1('/job', '/', { '/job': ['-1', '100000'] }), Number.POSITIVE_INFINITY],
    ['v1, above', version1('/a/b', '/', { '/a': ['200000', '100000'], '/a/b': ['-1', '100000'] }), 2],
    ['v1, in a container', version1('/docker/1f', '/docker/1f', { '': ['250000', '50000'] }), 5],
    ['v1, below a container', version1('/docker/1f/q', '/docker/1f', { '/q': ['20000', '10000'] }), 2],
  ];
  for (const [what, root, quota] of cases) it(what, () => assert.equal(cpuQuota(root), quota));

  // The system's own, where this may make a group (v1, as root).
  const cpu = '/sys/fs/cgroup/cpu';
  it('holds for a process that is put under one', {
    skip: !canMakeGroup(cpu) && 'no right to make one',
  }, () => {
    const group = `${cpu}/lavis-test-${process.pid}`;
    mkdirSync(group);
    try {
      writeFileSync(`${group}/cpu.cfs_quota_us`, '100000');
      writeFileSync(`${group}/cpu.cfs_period_us`, '100000');
      const program = `
        import { writeFileSync } from 'node:fs';
        import { shareOfProcessors } from '#src/common/threads.js';
        writeFileSync('${group}/cgroup.procs', String(process.pid));
        console.log(shareOfProcessors({ env: {}, processors: 8 }));
        writeFileSync('${cpu}/cgroup.procs', String(process.pid));`;
      const ran = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
      assert.equal(ran.stdout, '1\n', ran.stderr);
    } finally {
      rmdirSync(group);
    }
  });
});

function canMakeGroup(cpu: string): boolean {
  if (!existsSync(`${cpu}/cpu.cfs_quota_us`) && !existsSync(`${cpu}/cgroup.procs`)) return false;
  try {
    mkdirSync(`${cpu}/lavis-test-right`);
    const usable = existsSync(`${cpu}/lavis-test-right/cpu.cfs_quota_us`);
    rmdirSync(`${cpu}/lavis-test-right`);
    return usable;
  } catch {
    return false;
  }
}

describe('the threads of a process', () => {
  const root = system();
  const threads = (env: Record<string, string>, processors = 16, at = root) =>
    threadsOfProcess({ env, processors, root: at });

  it('are those of LAVIS_THREADS, of OMP_NUM_THREADS, or all that it may use, in this order', () => {
    assert.equal(threads({}), 16);
    assert.equal(threads({ LAVIS_THREADS: '', OMP_NUM_THREADS: '' }), 16);
    assert.equal(threads({ OMP_NUM_THREADS: '6' }), 6);
    assert.equal(threads({ OMP_NUM_THREADS: '4,2' }), 4);
    assert.equal(threads({ LAVIS_THREADS: ' 3 ', OMP_NUM_THREADS: '6' }), 3);
    assert.equal(threads({ LAVIS_THREADS: '3', WORLD_SIZE: '4', RANK: '0' }), 3);
  });

  for (const text of ['four', '0', '-1', '2.5', '1e2', '0x4', '99999', '4 cores', 'NaN']) {
    it(`refuses LAVIS_THREADS=${text}, and goes on with such an OMP_NUM_THREADS`, () => {
      assert.throws(() => threads({ LAVIS_THREADS: text }), {
        name: 'EngineError',
        message: new RegExp(
          `not a number of threads\\n +found: +LAVIS_THREADS=${text}\\n +allowed: +a whole number`,
        ),
      });
      assert.equal(threads({ OMP_NUM_THREADS: text }), 16);
    });
  }

  it('are divided among the ranks of a machine', () => {
    assert.equal(threads({ WORLD_SIZE: '4', RANK: '1', LOCAL_WORLD_SIZE: '4' }), 4);
    assert.equal(threads({ WORLD_SIZE: '8', RANK: '1', LOCAL_WORLD_SIZE: '2' }), 8);
    assert.equal(threads({ WORLD_SIZE: '3', RANK: '1' }), 5);
    assert.equal(threads({ OMPI_COMM_WORLD_SIZE: '8', OMPI_COMM_WORLD_LOCAL_SIZE: '8' }), 2);
    assert.equal(threads({ PMI_SIZE: '8', PMI_RANK: '0', MPI_LOCALNRANKS: '4' }), 4);
    assert.equal(threads({ WORLD_SIZE: '64', RANK: '1', LOCAL_WORLD_SIZE: '64' }), 1);
  });

  it('are those that the launcher bound the rank to', () => {
    const rank = { OMPI_COMM_WORLD_SIZE: '4', OMPI_COMM_WORLD_LOCAL_SIZE: '4' };
    assert.equal(threads({ ...rank, OMPI_MCA_orte_bound_at_launch: '1' }, 2), 2);
    const slurm = { SLURM_STEP_ID: '0', SLURM_STEP_NUM_TASKS: '4', SLURM_STEP_TASKS_PER_NODE: '4' };
    assert.equal(threads({ ...slurm, SLURM_CPU_BIND_TYPE: 'mask_cpu:' }, 4), 4);
    assert.equal(threads({ ...slurm, SLURM_CPU_BIND_TYPE: 'none' }, 4), 1);
    const status = (list: string) => `Name:\tnode\nCpus_allowed_list:\t${list}\n`;
    const bound = system({
      [`proc/${process.ppid}/status`]: status('0-7'),
      'proc/self/status': status('2,4-5'),
    });
    assert.equal(threads(rank, 3, bound), 3);
    const shared = system({
      [`proc/${process.ppid}/status`]: status('0-7'),
      'proc/self/status': status('0-7'),
    });
    assert.equal(threads(rank, 8, shared), 2);
  });

  it('keep within the quota that the ranks share', () => {
    const quota = version2('/', { '': '400000 100000\n' });
    assert.equal(threads({}, 16, quota), 4);
    assert.equal(threads({}, 2, quota), 2);
    assert.equal(threads({ WORLD_SIZE: '2', RANK: '0' }, 16, quota), 2);
    assert.equal(threads({}, 16, version2('/', { '': '20000 100000\n' })), 1);
    assert.equal(threads({ LAVIS_THREADS: '8' }, 16, quota), 8);
    assert.equal(shareOfProcessors({ env: {}, processes: 4, processors: 16, root: quota }), 1);
  });

  it('a step of srun counts the tasks of its own node', () => {
    const step = { SLURM_STEP_ID: '0', SLURM_STEP_NUM_TASKS: '11', SLURM_STEP_TASKS_PER_NODE: '4(x2),3' };
    assert.equal(localWorldSize({ ...step, SLURM_NODEID: '1' }), 4);
    assert.equal(localWorldSize({ ...step, SLURM_NODEID: '2' }), 3);
    // A batch script is not a step of several tasks.
    assert.equal(localWorldSize({ SLURM_JOB_ID: '7', SLURM_NTASKS: '8' }), 1);
  });
});
