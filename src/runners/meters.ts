/** Total and count of each metric, as plain data for checkpoints. */
export type MeterState = Record<string, { total: number; count: number }>;

/** Averages of what each step reports since the start of the epoch. Source: lavis/common/logger.py. */
export class Meters {
  #meters = new Map<string, { total: number; count: number }>();

  /** Values that are not finite are left out: one bad step must not blank the epoch's line. */
  update(values: Record<string, number>): void {
    for (const [name, value] of Object.entries(values)) {
      if (!Number.isFinite(value)) continue;
      const meter = this.#meters.get(name) ?? { total: 0, count: 0 };
      this.#meters.set(name, { total: meter.total + value, count: meter.count + 1 });
    }
  }

  average(name: string): number {
    const meter = this.#meters.get(name);
    return meter ? meter.total / meter.count : Number.NaN;
  }

  averages(): Record<string, number> {
    return Object.fromEntries([...this.#meters.keys()].map((name) => [name, this.average(name)]));
  }

  /**
   * The epoch's line in log.txt: strings of three decimals as the reference writes them, but learning rates
   * with the digits they need (the reference writes 0.000).
   */
  summary(): Record<string, string> {
    const lines = [...this.#meters.keys()].map((name) => {
      const average = this.average(name);
      return [name, name === 'lr' ? String(Number(average.toPrecision(6))) : average.toFixed(3)] as const;
    });
    return Object.fromEntries(lines);
  }

  reset(): void {
    this.#meters.clear();
  }

  state(): MeterState {
    return Object.fromEntries([...this.#meters].map(([name, meter]) => [name, { ...meter }]));
  }

  restore(state: MeterState): void {
    this.#meters = new Map(Object.entries(state).map(([name, meter]) => [name, { ...meter }]));
  }
}
