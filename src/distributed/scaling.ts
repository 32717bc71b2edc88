/** A way to carry messages: `seconds(bytes) = latency + bytes / bandwidth`. */
export interface Link {
  /** Seconds that a message takes however small it is. */
  readonly latency: number;
  /** Bytes a second that one worker sends and receives at the same time. */
  readonly bandwidth: number;
}

export type Algorithm = 'ring' | 'tree';

/** What a training step needs, as measured on one worker. */
export interface Workload {
  readonly forwardSeconds: number;
  readonly backwardSeconds: number;
  /** The optimizer and what else every worker does alone, once a step. */
  readonly updateSeconds: number;
  readonly gradientBytes: number;
  /** Sent as soon as full; 25 MB in `GradientAverager`. */
  readonly bucketBytes: number;
}

export interface Cluster {
  readonly workersPerMachine: number;
  /** Between workers of a machine. */
  readonly inside: Link;
  /** Between machines; a machine's workers share it. */
  readonly between: Link;
  readonly algorithm: Algorithm;
  /** Whether buckets travel while the backward pass goes on. */
  readonly overlap: boolean;
  /** Cores a machine has for each that its workers together want; below 1 they take turns. */
  readonly coresPerWanted?: number;
}

export interface StepPrediction {
  readonly workers: number;
  readonly stepSeconds: number;
  /** Of the step: communication that nothing hides. */
  readonly exposedSeconds: number;
  /** Images a second over those of as many workers that need not talk. */
  readonly efficiency: number;
}

/**
 * Seconds of one all-reduce. Ring: 2 (n - 1) messages of bytes / n. Tree: reduce and broadcast over
 * ceil(log2 n) levels each, in which large messages are pipelined and so pass twice.
 * Source: Thakur, Rabenseifner and Gropp 2005.
 */
export function allReduceSeconds(bytes: number, workers: number, link: Link, algorithm: Algorithm): number {
  if (workers <= 1) return 0;
  if (algorithm === 'ring') {
    return 2 * (workers - 1) * (link.latency + bytes / workers / link.bandwidth);
  }
  return 2 * Math.ceil(Math.log2(workers)) * link.latency + (2 * bytes) / link.bandwidth;
}

/** Sums inside every machine first, then between them, then shares inside again, as MPI does. */
function clusterAllReduceSeconds(bytes: number, workers: number, cluster: Cluster): number {
  const local = Math.min(workers, cluster.workersPerMachine);
  const machines = Math.ceil(workers / cluster.workersPerMachine);
  return (
    allReduceSeconds(bytes, local, cluster.inside, cluster.algorithm) +
    allReduceSeconds(bytes, machines, cluster.between, cluster.algorithm)
  );
}

/**
 * The time of a data-parallel step, each worker with the same batch however many there are. Buckets become
 * full evenly over the backward pass and are sent one after the other.
 */
export function predictStep(workload: Workload, cluster: Cluster, workers: number): StepPrediction {
  const local = Math.min(workers, cluster.workersPerMachine);
  // Cores are wanted by all workers of a machine; a lone worker has what it wants.
  const slowdown = Math.max(1, local / cluster.workersPerMachine / (cluster.coresPerWanted ?? 1));
  const forward = workload.forwardSeconds * slowdown;
  const backward = workload.backwardSeconds * slowdown;
  const update = workload.updateSeconds * slowdown;
  const buckets = Math.max(1, Math.ceil(workload.gradientBytes / workload.bucketBytes));
  const each = clusterAllReduceSeconds(workload.gradientBytes / buckets, workers, cluster);
  let sent = 0;
  for (let bucket = 1; bucket <= buckets; bucket++) {
    const full = cluster.overlap ? (backward * bucket) / buckets : backward;
    sent = Math.max(sent, full) + each;
  }
  const exposed = workers > 1 ? sent - backward : 0;
  const stepSeconds = forward + backward + exposed + update;
  const alone = workload.forwardSeconds + workload.backwardSeconds + workload.updateSeconds;
  return { workers, stepSeconds, exposedSeconds: exposed, efficiency: alone / stepSeconds };
}

/** The largest of `counts` from which more workers still bring at least half of what they should. */
export function scalesUpTo(predictions: readonly StepPrediction[]): number {
  const good = predictions.filter(({ efficiency }) => efficiency >= 0.5);
  return Math.max(1, ...good.map(({ workers }) => workers));
}
