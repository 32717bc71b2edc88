/** The middle value; of an even number of values the mean of the two in the middle. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** How far values lie apart, in percent of their mean: (largest - smallest) / mean. */
export function spread(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return (100 * (Math.max(...values) - Math.min(...values))) / mean;
}
