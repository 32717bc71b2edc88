/** Messages for people, on standard error; results that a program may read go to standard output. */
export interface Logger {
  info(message: string): void;
  warn(message: string): void;
  /** Warns once per process for the same message. */
  warnOnce(message: string): void;
  debug(message: string): void;
  /** Writes text as it is; where standard error cannot take it (its reader is gone, the disk is full), it is lost. */
  print(text: string): void;
  /** Whether standard error is a terminal that shows this process's lines: what moves goes to `status`. */
  readonly terminal: boolean;
  /** Its width in characters. */
  readonly columns: number;
  /** The line that stays below all messages of a terminal, '' for none; nothing where there is no terminal. */
  status(line: string): void;
}

const seen = new Set<string>();
const state = { quiet: false, prefix: '', status: '' };

/** Ranks other than 0 keep quiet but for warnings, and prefix their lines. */
export function configureLogging(options: { quiet?: boolean; prefix?: string }): void {
  Object.assign(state, options);
}

const CLEAR = '\r\x1b[K';

function write(message: string): void {
  const line = `${state.prefix}${message}\n`;
  print(state.status ? `${CLEAR}${line}${state.status}` : line);
}

/** What is for people to read ends no work: some versions of Node throw here what others tell later. */
function print(text: string): void {
  try {
    process.stderr.write(text);
  } catch {
    // nobody reads it
  }
}

export const log: Logger = {
  info: (message) => {
    if (!state.quiet) write(message);
  },
  warn: (message) => {
    write(`warning: ${message}`);
  },
  warnOnce: (message) => {
    if (seen.has(message)) return;
    seen.add(message);
    log.warn(message);
  },
  debug: (message) => {
    if (process.env.LAVIS_DEBUG === '1') write(message);
  },
  print,
  get terminal() {
    return process.stderr.isTTY === true && !state.quiet && process.env.TERM !== 'dumb';
  },
  get columns() {
    return process.stderr.columns || 80;
  },
  status: (line) => {
    if (!log.terminal || line === state.status) return;
    state.status = line;
    print(`${CLEAR}${line}`);
  },
};
