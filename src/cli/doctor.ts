import { styleText } from 'node:util';
import type { Check } from '../doctor/index.js';
import { defineCommand } from './command.js';

const MARKS = { good: ['green', '+'], absent: ['yellow', '-'], bad: ['red', 'x'] } as const;

export const doctor = defineCommand({
  options: {
    json: { type: 'boolean', default: false, describe: 'Print JSON' },
    offline: { type: 'boolean', default: false, describe: 'Leave the network alone' },
  },
  examples: [
    ['lavis doctor', 'what works here, how fast, and what to do about the rest'],
    ['lavis doctor --json > machine.json', 'to send along with a question'],
  ],
  epilogue: '+ works, - is not there and a run may do without, x has to be mended (exit code 1).',
  async handler(args) {
    const { examineMachine } = await import('../doctor/index.js');
    const checks: Check[] = [];
    for await (const result of examineMachine(args)) {
      checks.push(result);
      if (!args.json) console.log(line(result));
    }
    if (args.json) console.log(JSON.stringify(checks, null, 2));
    return checks.some(({ state }) => state === 'bad') ? 1 : undefined;
  },
});

function line({ title, state, text, help }: Check): string {
  const indent = ' '.repeat(26);
  const [colour, sign] = MARKS[state];
  const mark = process.stdout.isTTY && !process.env.NO_COLOR ? styleText(colour, sign) : sign;
  const first = `${mark} ${title.padEnd(23)} ${text}`;
  return help ? `${first}\n${indent}${help.replaceAll('\n', `\n${indent}`)}` : first;
}
