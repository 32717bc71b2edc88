/** What a runner needs of the other workers. */
export interface World {
  readonly rank: number;
  readonly worldSize: number;
  /** Everyone's value, in rank order. @param name what errors call the operation */
  allGather<T>(value: T, name: string): Promise<T[]>;
  barrier(name: string): Promise<void>;
}

/** A single process. */
export const worldOfOne: World = {
  rank: 0,
  worldSize: 1,
  allGather: async (value) => [value],
  barrier: async () => {},
};
