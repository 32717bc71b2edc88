// Looks through evaluated samples: by words, by score, in another order; marks what was said as good or bad, and
// corrects it. On the live page marks are kept in the run's folder; in a report in this browser, until they are saved.
{
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const labelled = (text, control) => make('label', { className: 'field' }, text, control);
  const choice = (options) =>
    make('select', {}, ...options.map(([value, text]) => make('option', { value }, text)));

  /** What this browser remembers of a report's marks. */
  const remembered = (run) => {
    try {
      return JSON.parse(localStorage.getItem(`lavis marks ${run}`) ?? '{}');
    } catch {
      return {};
    }
  };

  const ORDERS = {
    worst: (a, b) => a.a - b.a,
    best: (a, b) => b.a - a.a,
    given: () => 0,
    apart: (a, b) => Math.abs(b.a - b.b) - Math.abs(a.a - a.b),
    first: (a, b) => b.a - b.b - (a.a - a.b),
    second: (a, b) => a.a - a.b - (b.a - b.b),
  };

  const SHOWN = {
    all: () => true,
    unmarked: ({ dataset }) => !dataset.mark && !dataset.correction,
    good: ({ dataset }) => dataset.mark === 'good',
    bad: ({ dataset }) => dataset.mark === 'bad',
    corrected: ({ dataset }) => Boolean(dataset.correction),
    differ: ({ dataset }) => dataset.said !== dataset.other,
  };

  for (const section of document.querySelectorAll('.judge')) begin(section);

  function begin(section) {
    const { run, split, save, two } = section.dataset;
    const body = section.querySelector('tbody');
    const marks = save || two ? {} : remembered(run);
    const rows = [...body.rows].map((row, order) => {
      const number = (text) => (text === undefined || text === '' ? Number.NaN : Number(text));
      Object.assign(row.dataset, marks[`${split} ${row.dataset.id}`]);
      return {
        row,
        order,
        a: number(row.dataset.a),
        b: number(row.dataset.b),
        words: row.textContent.toLowerCase(),
      };
    });
    const scored = rows.some(({ a }) => Number.isFinite(a));

    const words = make('input', { type: 'search', placeholder: 'red square' });
    const least = make('input', { type: 'number', step: 'any' });
    const most = make('input', { type: 'number', step: 'any' });
    const order = choice([
      ...(scored
        ? [
            ['worst', 'worst first'],
            ['best', 'best first'],
          ]
        : []),
      ['given', 'as they were evaluated'],
      ...(two
        ? [
            ['apart', 'furthest apart'],
            ['first', 'A much better'],
            ['second', 'B much better'],
          ]
        : []),
    ]);
    if (two && scored) order.value = 'apart';
    const which = choice([
      ['all', 'all'],
      ...(two
        ? [['differ', 'where they differ']]
        : [
            ['unmarked', 'not marked'],
            ['good', 'good'],
            ['bad', 'bad'],
            ['corrected', 'corrected'],
          ]),
    ]);
    const count = make('output', { className: 'quiet' });
    const told = make('p', { className: 'quiet told' });
    told.setAttribute('role', 'status');
    section
      .querySelector('.tools')
      .append(
        labelled('words', words),
        ...(scored ? [labelled('score from', least), labelled('to', most)] : []),
        labelled('order', order),
        labelled('show', which),
        count,
        ...(two ? [] : savers()),
      );
    section.querySelector('.tools').after(told);
    if (!two) for (const { row } of rows) row.append(judgeCell(row));
    for (const control of [words, least, most, order, which]) control.addEventListener('input', arrange);
    arrange();

    function arrange() {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      const bound = ({ value }, none) => (value.trim() === '' ? none : Number(value));
      const [low, high] = [bound(least, -Infinity), bound(most, Infinity)];
      const bounded = low > -Infinity || high < Infinity;
      let shown = 0;
      for (const { row, a, words: text } of rows) {
        const fits =
          wanted.every((word) => text.includes(word)) &&
          (!bounded || (a >= low && a <= high)) &&
          SHOWN[which.value](row);
        row.hidden = !fits;
        if (fits) shown++;
      }
      const last = (value) => (Number.isFinite(value) ? value : Infinity);
      const compare = (x, y) => ORDERS[order.value](x, y) || last(x.a) - last(y.a) || x.order - y.order;
      body.append(
        ...rows
          .toSorted(order.value === 'given' ? (x, y) => x.order - y.order : compare)
          .map(({ row }) => row),
      );
      count.textContent = `${shown} of ${rows.length}`;
    }

    function judgeCell(row) {
      const cell = make('td', { className: 'verdict' });
      const draw = () => {
        const { mark, correction } = row.dataset;
        cell.replaceChildren(
          press('Good', mark === 'good', () => keep({ mark: mark === 'good' ? '' : 'good' })),
          press('Bad', mark === 'bad', () => keep({ mark: mark === 'bad' ? '' : 'bad' })),
          ...(row.dataset.asked ? [] : [press('Correct …', Boolean(correction), edit)]),
          ...(correction ? [make('p', { className: 'correction' }, correction)] : []),
        );
      };
      const press = (text, pressed, act) => {
        const button = make('button', { type: 'button', onclick: act }, text);
        button.setAttribute('aria-pressed', String(pressed));
        return button;
      };
      const edit = () => {
        const text = make('textarea', { rows: 3, value: row.dataset.correction || row.dataset.said });
        text.setAttribute('aria-label', 'What should have been said');
        const form = make(
          'form',
          {},
          text,
          make('button', { type: 'submit', className: 'main' }, 'Keep'),
          make('button', { type: 'button', onclick: draw }, 'Leave'),
        );
        form.addEventListener('submit', (event) => {
          event.preventDefault();
          const said = text.value.replace(/\s+/g, ' ').trim();
          keep({ correction: said === row.dataset.said ? '' : said });
        });
        cell.replaceChildren(form);
        text.focus();
      };
      const keep = async (change) => {
        const { id } = row.dataset;
        const now = { mark: row.dataset.mark ?? '', correction: row.dataset.correction ?? '', ...change };
        try {
          if (save) await post(save, { split, id, ...now });
          else {
            marks[`${split} ${id}`] = now;
            localStorage.setItem(`lavis marks ${run}`, JSON.stringify({ ...remembered(run), ...marks }));
          }
          told.textContent = '';
        } catch (error) {
          told.textContent = `Not kept: ${error.message}`;
          if (save) return;
        }
        Object.assign(row.dataset, now);
        draw();
        cell.querySelector('button')?.focus();
      };
      draw();
      return cell;
    }

    async function post(path, body) {
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
      if (!response.ok) throw new Error(await response.text());
    }

    function savers() {
      if (save)
        return [
          make('a', { className: 'button', href: '/corrections.csv', download: '' }, 'Corrections as CSV'),
        ];
      const download = (name, text) => {
        const link = make('a', { href: URL.createObjectURL(new Blob([text()])), download: name });
        link.click();
      };
      const judged = () =>
        rows.map(({ row }) => row.dataset).filter(({ mark, correction }) => mark || correction);
      const lines = () =>
        judged().map(
          ({ id, file, said, mark, correction }) =>
            `${JSON.stringify({ split, id, image: file, said, mark, correction })}\n`,
        );
      const cell = (text) => `"${text.replaceAll('"', '""')}"`;
      const corrected = () => judged().filter(({ correction, file }) => correction && file);
      const table = () =>
        [
          'image,caption\n',
          ...corrected().map(({ file, correction }) => `${cell(file)},${cell(correction)}\n`),
        ].join('');
      return [
        make(
          'button',
          { type: 'button', onclick: () => download('marks.jsonl', () => lines().join('')) },
          'Save marks',
        ),
        make(
          'button',
          { type: 'button', onclick: () => download('corrections.csv', table) },
          'Corrections as CSV',
        ),
      ];
    }
  }
}
