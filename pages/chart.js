// Shows a chart's values under the pointer, in place of the newest ones.

document.addEventListener('pointermove', ({ target, clientX }) => {
  const figure = target.closest?.('figure.chart');
  for (const other of document.querySelectorAll('figure.chart.read')) if (other !== figure) release(other);
  const svg = target.closest?.('svg');
  if (!figure || !svg) return;
  const series = JSON.parse(figure.dataset.series);
  const box = svg.getBoundingClientRect();
  const x = ((clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
  const nearest = series.map(({ points }) =>
    points.reduce((best, point) => (Math.abs(point[0] - x) < Math.abs(best[0] - x) ? point : best)),
  );
  if (nearest.length === 0) return;
  const closest = nearest.reduce((a, b) => (Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a));
  svg.querySelector('.cursor').setAttribute('d', `M${closest[0]} 10V134`);
  const now = figure.querySelector('.now');
  figure.newest ??= [...now.childNodes];
  const place = document.createElement('span');
  place.className = 'key';
  place.textContent = `${figure.dataset.unit} ${closest[2]}`;
  const values = series.flatMap(({ name, colour }, i) => {
    if (nearest[i][2] !== closest[2]) return [];
    const value = document.createElement('span');
    value.className = `key c${colour}`;
    value.textContent = series.length > 1 ? `${name} ${nearest[i][3]}` : nearest[i][3];
    return [value];
  });
  now.replaceChildren(place, ...values);
  figure.classList.add('read');
});

function release(figure) {
  figure.classList.remove('read');
  figure.querySelector('.cursor').setAttribute('d', '');
  figure.querySelector('.now').replaceChildren(...figure.newest);
}
