/**
 * Time of a step by graph, the costliest first; what is left over is JavaScript, TensorFlow.js and kernels
 * that are no graph.
 * @param profile what `sessions.profile` gathered: [graph, { ms, cpuMs, runs }]
 */
export function profileLines(profile, stepSeconds, most = 30) {
  const rows = [...profile].sort(([, a], [, b]) => b.ms - a.ms);
  const total = rows.reduce((sum, [, { ms }]) => sum + ms, 0) / 1000;
  const line = (ms, cpuMs, runs, name) =>
    `  ${(ms / 1000).toFixed(3).padStart(7)} s ${cpuMs.padStart(9)} ${String(runs).padStart(6)}  ${name}`;
  const shown = rows
    .slice(0, most)
    .map(([key, { ms, cpuMs, runs }]) => line(ms, `${(cpuMs / 1000).toFixed(3)} s`, runs, key));
  const hidden = rows.slice(most).reduce((sum, [, { ms }]) => sum + ms, 0);
  return [
    `one step of ${stepSeconds.toFixed(2)} s, ${total.toFixed(2)} s of it in graphs`,
    '     time  processor   runs  graph',
    ...shown,
    ...(hidden > 0 ? [line(hidden, '', rows.length - most, 'other graphs (their number under runs)')] : []),
    line(1000 * (stepSeconds - total), '', '', 'not in graphs'),
  ];
}
