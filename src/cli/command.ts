import type { InferredOptionTypes, Options, PositionalOptions } from 'yargs';

type OptionTable = Record<string, Options>;
type PositionalTable = Record<string, PositionalOptions>;
export type Arguments<O extends OptionTable, P extends PositionalTable> = InferredOptionTypes<O> &
  InferredOptionTypes<P>;

/** What a `lavis` command takes and does. Its help is made from this table, so every field is written for its reader. */
export interface Command<O extends OptionTable = OptionTable, P extends PositionalTable = PositionalTable> {
  readonly options: O;
  readonly positionals?: P;
  /** Command lines that work as they stand, and what each does. */
  readonly examples: readonly (readonly [commandLine: string, what: string])[];
  /** What else a reader of --help needs: files, environment, the next command. */
  readonly epilogue?: string;
  /** @returns the exit code where it is not 0. */
  handler(args: Arguments<O, P>): Promise<number | undefined> | Promise<void>;
}

/** Checks a command's table and infers its handler's arguments from it. */
export function defineCommand<const O extends OptionTable, const P extends PositionalTable = PositionalTable>(
  command: Command<O, P>,
): Command {
  return command as unknown as Command;
}

/** What handlers see where `-`, standard input, was typed as an argument. */
export const STDIN_ARGUMENT = '\0-';

/** How the user called lavis, for the next command that a message names. */
export const calledAs = () => (process.env.npm_command === 'exec' ? 'npx lavis' : 'lavis');

/** A command line that cannot be understood: printed with the way to the help, exit code 2. */
export class UsageError extends Error {}
