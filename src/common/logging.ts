/** Messages for people, on standard error; results that a program may read go to standard output. */
export interface Logger {
  info(message: string): void;
  warn(message: string): void;
  /** Warns once per process for the same message. */
  warnOnce(message: string): void;
  debug(message: string): void;
}

const seen = new Set<string>();
const state = { quiet: false, prefix: '' };

/** Ranks other than 0 keep quiet but for warnings, and prefix their lines. */
export function configureLogging(options: { quiet?: boolean; prefix?: string }): void {
  Object.assign(state, options);
}

const write = (message: string) => process.stderr.write(`${state.prefix}${message}\n`);

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
};
