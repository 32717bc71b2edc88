/** The processor time that Linux's control groups leave a process: of a container, a service, a batch job. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Where the groups of a hierarchy are seen: the group `top` of it is the folder `folder`. */
interface Mount {
  top: string;
  folder: string;
}

/**
 * Processors' worth of time that this process may use, the least of what its group and those above it have
 * (cgroup v2 `cpu.max`, v1 `cpu.cfs_quota_us`); Infinity without a quota, and where there are no such groups.
 * @param root the folder in which /proc and /sys lie
 */
export function cpuQuota(root = '/'): number {
  const groups = contentOf(join(root, 'proc/self/cgroup'));
  const mounts = contentOf(join(root, 'proc/self/mountinfo'));
  if (!groups || !mounts) return Number.POSITIVE_INFINITY;
  const quotas = groups.split('\n').flatMap((line) => {
    // hierarchy:controllers:group, such as 0::/user.slice and 4:cpu,cpuacct:/docker/1f…
    const [, hierarchy, controllers, group] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    if (hierarchy === undefined) return [];
    const unified = hierarchy === '0' && controllers === '';
    if (!unified && !controllers.split(',').includes('cpu')) return [];
    const mount = findMount(mounts, unified);
    if (!mount) return [];
    const quotaOf = unified ? quotaOfVersion2 : quotaOfVersion1;
    return groupFolders(mount, group).map((folder) => quotaOf(join(root, folder)));
  });
  return Math.min(Number.POSITIVE_INFINITY, ...quotas);
}

/** The folders of a group and of those above it, as far as they are mounted. */
function groupFolders({ top, folder }: Mount, group: string): string[] {
  // In a container the group's own folder may be what is mounted, under a path that is seen from outside.
  const below = top === '/' ? group : group.startsWith(`${top}/`) ? group.slice(top.length) : '/';
  const folders: string[] = [];
  for (let path = below.includes('..') ? '/' : below; ; path = dirname(path)) {
    folders.push(join(folder, path));
    if (path === '/' || path === '.') return folders;
  }
}

/** Reads /proc/self/mountinfo: `… ROOT MOUNTPOINT OPTIONS … - TYPE SOURCE SUPEROPTIONS`. */
function findMount(mounts: string, unified: boolean): Mount | undefined {
  for (const line of mounts.split('\n')) {
    const [before, after] = line.split(' - ');
    const [, , , top, folder] = before.split(' ');
    const [type, , options = ''] = after?.split(' ') ?? [];
    if (unified ? type === 'cgroup2' : type === 'cgroup' && options.split(',').includes('cpu')) {
      return { top: unescaped(top), folder: unescaped(folder) };
    }
  }
  return undefined;
}

/** Blanks and backslashes of paths are written in octal. */
const unescaped = (path: string) =>
  path.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));

/** `150000 100000` or `max 100000`: microseconds in each period. */
function quotaOfVersion2(folder: string): number {
  const [quota, period] = contentOf(join(folder, 'cpu.max'))?.trim().split(/\s+/) ?? [];
  return ratio(quota, period);
}

/** -1 for none. */
function quotaOfVersion1(folder: string): number {
  return ratio(contentOf(join(folder, 'cpu.cfs_quota_us')), contentOf(join(folder, 'cpu.cfs_period_us')));
}

function ratio(quota: string | undefined, period: string | undefined): number {
  const processors = Number(quota) / Number(period);
  return processors > 0 ? processors : Number.POSITIVE_INFINITY;
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
