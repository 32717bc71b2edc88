/** The worker's number on its machine, as torchrun, Open MPI and Slurm give it; undefined outside of them. */
export function localRank(env: Record<string, string | undefined>): number | undefined {
  const text = env.LOCAL_RANK ?? env.OMPI_COMM_WORLD_LOCAL_RANK ?? env.SLURM_LOCALID;
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/**
 * How many processes a launcher started on this machine: torchrun (ours too), Open MPI, MPICH, Slurm. 1 outside of
 * them, and where the variables are not numbers: `readWorld` tells what is wrong with them.
 */
export function localWorldSize(env: Record<string, string | undefined>): number {
  const slurm = env.SLURM_STEP_ID ? slurmTasks(env) : undefined;
  const text =
    env.RANK || env.WORLD_SIZE
      ? (env.LOCAL_WORLD_SIZE ?? env.WORLD_SIZE)
      : (env.OMPI_COMM_WORLD_LOCAL_SIZE ?? env.MPI_LOCALNRANKS ?? env.PMI_SIZE ?? slurm);
  return text !== undefined && /^[1-9]\d*$/.test(text.trim()) ? Number(text) : 1;
}

/** Of `4(x2),3`, tasks on each node in turn, those on ours. */
function slurmTasks({
  SLURM_STEP_TASKS_PER_NODE: tasks,
  SLURM_NODEID: node,
}: Record<string, string | undefined>) {
  const perNode = tasks?.split(',').flatMap((part) => {
    const [, count, nodes = '1'] = /^(\d+)(?:\(x(\d+)\))?$/.exec(part.trim()) ?? [];
    return count === undefined ? [] : Array<string>(Number(nodes)).fill(count);
  });
  return perNode?.[Number(node ?? 0)];
}
