/** The worker's number on its machine, as torchrun, Open MPI and Slurm give it; undefined outside of them. */
export function localRank(env: Record<string, string | undefined>): number | undefined {
  const text = env.LOCAL_RANK ?? env.OMPI_COMM_WORLD_LOCAL_RANK ?? env.SLURM_LOCALID;
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}
