/**
 * Rooms import downward in this list, never up. `common` imports nothing of ours, `engine` only
 * `common`, `nn` only `engine` and `common`.
 */
const rooms = [
  'cli',
  'projects',
  'doctor',
  'serve',
  'inference',
  'reports',
  'runs',
  'runners',
  'tasks',
  'search',
  'export',
  'models',
  'datasets',
  'processors',
  'metrics',
  'optim',
  'nn',
  'checkpoint',
  'distributed',
  'engine',
  'config',
  'fetch',
  'common',
];

const upward = rooms.slice(1).map((room, i) => ({
  name: `${room}-imports-nothing-above-it`,
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: { path: `^src/(${rooms.slice(0, i + 1).join('|')}|index)(/|\\.ts)` },
}));

module.exports = {
  forbidden: [
    ...upward,
    {
      name: 'nn-imports-only-engine-and-common',
      severity: 'error',
      from: { path: '^src/nn/' },
      to: { path: '^src/', pathNot: '^src/(nn|engine|common)/' },
    },
    {
      name: 'engine-imports-only-common',
      severity: 'error',
      from: { path: '^src/engine/' },
      to: { path: '^src/', pathNot: '^src/(engine|common)/' },
    },
    {
      name: 'rooms-are-entered-by-their-door',
      comment: 'Another room is imported through its index.ts; common has no single door.',
      severity: 'error',
      from: { path: '^src/([^/]+)/' },
      to: { path: '^src/([^/]+)/', pathNot: ['^src/$1/', '^src/[^/]+/index\\.ts$', '^src/common/'] },
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'nothing-unresolved',
      comment: 'Our own files; packages are checked by the compiler.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, path: '^[./]' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    parser: 'swc',
    enhancedResolveOptions: { extensions: ['.ts', '.js'] },
  },
};
