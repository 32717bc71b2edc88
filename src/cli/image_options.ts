import { STDIN_ARGUMENT, UsageError } from './command.js';

/** The positional and the options of every command that takes images. */
export const imagePositionals = {
  images: {
    type: 'string',
    array: true,
    demandOption: true,
    describe: 'Files, folders, globs or URLs; - is standard input',
  },
} as const;

export const imageOptions = {
  'batch-size': { type: 'number', default: 8, requiresArg: true, describe: 'Images at a time' },
  recursive: {
    type: 'boolean',
    default: true,
    describe: 'Take what is in the folders of a folder too; --recursive=false does not',
  },
} as const;

/** For the help of such a command. */
export const PASSED_OVER = 'An image that cannot be read is told and passed over; the exit code is 1 then.';

/** The arguments as sources: `-` is standard input. @throws UsageError where that is a terminal */
export function sourcesOf(images: readonly string[], command: string): string[] {
  const named = images.map((source) => (source === STDIN_ARGUMENT ? '-' : source));
  if (!named.includes('-') || !process.stdin.isTTY) return named;
  throw new UsageError(`- reads an image from standard input, which is a terminal: ${command} - < photo.jpg`);
}
