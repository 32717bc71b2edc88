import { makeMistakes } from './mistakes.mjs';

/** docs/mistakes.md: what people get wrong, and what lavis prints then. */
export async function mistakesPage() {
  const mistakes = await makeMistakes();
  return `${[INTRODUCTION, ...mistakes.map(section)].join('\n')}`;
}

const INTRODUCTION = `# Mistakes, and what they print

<!-- Written by scripts/docs/generate.mjs from tests/fixtures/mistakes/mistakes.yaml: change that, not this file. -->

Each was made in the project that \`lavis init my-project\` writes, most with \`lavis train --cfg-path run.yaml\`. Nothing
starts before the whole configuration is right; all its faults are told at once; the exit code is 1, or 2 for a command
line that cannot be understood. \`LAVIS_DEBUG=1\` adds the place in the program.
`;

function section({ title, right, wrong, at, command, start, text, printed }) {
  const made = command
    ? ['```sh', `lavis ${command.map(quoted).join(' ')}`, '```']
    : ['```yaml', shownLines({ right, wrong, at, start, text }), '```'];
  return [`## ${title}`, '', ...made, '', '```text', printed, '```', ''].join('\n');
}

/** The wrong lines as they stand, a tab as an arrow; beside a single one, what it was, where that is the same key. */
function shownLines({ right, wrong, at, start, text }) {
  const indent = text.slice(text.lastIndexOf('\n', start - 1) + 1, start);
  const lines = `${indent}${wrong}`.replace(/^\n/, '').replaceAll('\t', '→');
  const single = !right.includes('\n') && !wrong.includes('\n');
  const same = right.split(':')[0] === wrong.split(':')[0] || wrong.trimStart().startsWith(at);
  return single && same ? `${lines} # right: ${right.trim()}` : lines;
}

const quoted = (word) => (/[[ ]/.test(word) ? `"${word}"` : word);
