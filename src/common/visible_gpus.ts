import { spawnSync } from 'node:child_process';

/** The NVIDIA GPUs that this process may use: CUDA_VISIBLE_DEVICES, or those that nvidia-smi lists. */
export function visibleGpus(env: Record<string, string | undefined> = process.env): string[] {
  const visible = env.CUDA_VISIBLE_DEVICES;
  const listed = visible === undefined ? askDriver() : visible.split(',');
  return listed.map((id) => id.trim()).filter((id) => id && id !== '-1');
}

function askDriver(): string[] {
  const query = spawnSync('nvidia-smi', ['--query-gpu=index', '--format=csv,noheader'], { encoding: 'utf8' });
  return query.status === 0 ? query.stdout.split('\n') : [];
}
