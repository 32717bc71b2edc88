/** docs/architecture.svg: what a run's data goes through, and below each step the room of src/ that it is in. */

const WIDTH = 132;
const HEIGHT = 52;
/** Each row of boxes, as it is read: along, then back, then along. */
const ROWS = [
  [
    ['YAML + --options', 'cli'],
    ['Config', 'config'],
    ['run made ready', 'runs'],
    ['builder, dataset', 'datasets'],
    ['loader', 'processors'],
  ],
  [
    ['workers: average', 'distributed'],
    ['loss, gradients', 'engine'],
    ['model', 'models, nn'],
    ['task', 'tasks'],
    ['batch (host)', 'datasets'],
  ],
  [
    ['AdamW', 'optim'],
    ['checkpoint', 'checkpoint'],
    ['evaluation', 'runners'],
    ['scores', 'metrics'],
    ['pages, report', 'reports'],
  ],
];

const x = (column) => 20 + column * 165;
const y = (row) => 20 + row * 110;
const middle = (row) => y(row) + HEIGHT / 2;

/** The drawing, and the rooms that it names. */
export function architectureDrawing() {
  const boxes = ROWS.flatMap((row, r) => row.map(([what, room], c) => box(what, room, x(c), y(r))));
  const last = ROWS[0].length - 1;
  const along = Array.from({ length: last }, (_, c) => [x(c) + WIDTH, x(c + 1)]);
  const arrows = [
    ...along.map(([from, to]) => `M${from} ${middle(0)}H${to}`),
    ...along.map(([from, to]) => `M${to} ${middle(1)}H${from}`),
    ...along.map(([from, to]) => `M${from} ${middle(2)}H${to}`),
    `M${x(last) + WIDTH / 2} ${y(0) + HEIGHT}V${y(1)}`,
    `M${x(0) + WIDTH / 2} ${y(1) + HEIGHT}V${y(2)}`,
  ];
  const [fromX, toX] = [x(0) + WIDTH - 20, x(2) + 30];
  const next = `M${fromX} ${y(2)}C${fromX + 40} ${y(2) - 40} ${toX - 60} ${y(2) - 20} ${toX} ${y(1) + HEIGHT}`;
  const path = (d, more = '') => `<path d="${d}"${more} marker-end="url(#a)"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 832 350" font-family="sans-serif" font-size="14" role="img" aria-label="Data flow of a run, and the rooms that it goes through">
<!-- Written by scripts/docs/drawing.mjs: change that, not this file. -->
<defs><marker id="a" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z" fill="#47566b"/></marker></defs>
<rect width="832" height="350" fill="#fff"/>
<g text-anchor="middle">
${boxes.join('\n')}
</g>
<g stroke="#47566b" stroke-width="1.5" fill="none">
${arrows.map((d) => path(d)).join('\n')}
${path(next, ' stroke-dasharray="4 3"')}
</g>
<g fill="#47566b" font-size="12">
<text x="${x(last) + WIDTH / 2 + 8}" y="${y(0) + HEIGHT + 32}">pixels</text>
<text x="${x(0) + WIDTH + 40}" y="${y(1) + HEIGHT + 20}">next step</text>
<text x="20" y="322">runners say when each step happens; every tensor operation runs on the device that the engine opened (cpu, cuda, webgpu);</text>
<text x="20" y="340">fetch brings files, export and search use what was trained, common knows no model, task or format</text>
</g>
</svg>
`;
}

const box = (what, room, left, top) =>
  [
    `<rect x="${left}" y="${top}" width="${WIDTH}" height="${HEIGHT}" rx="8" fill="#eef3fa" stroke="#47566b" stroke-width="1.5"/>`,
    `<text x="${left + WIDTH / 2}" y="${top + 22}" fill="#1c2733">${what}</text>`,
    `<text x="${left + WIDTH / 2}" y="${top + 41}" fill="#47566b" font-size="12">${room}</text>`,
  ].join('\n');
