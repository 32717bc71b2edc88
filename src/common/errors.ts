import { constants } from 'node:os';

/** What an error tells besides its headline; every field is one line or a few. */
export interface ErrorDetails {
  /** file:line:column, a configuration key, an index, a rank. */
  where?: string;
  /** What was there instead. */
  found?: string;
  /** What would have been right. */
  allowed?: string;
  /** The command or option that mends it. */
  help?: string;
  cause?: unknown;
}

/**
 * Base of every error a user may cause. The message is complete: the command line prints it alone and
 * shows a stack trace only when LAVIS_DEBUG=1.
 */
export class LavisError extends Error {
  /** The first line of the message. */
  readonly headline: string;
  readonly details: ErrorDetails;

  constructor(headline: string, details: ErrorDetails = {}) {
    super(formatMessage(headline, details), { cause: details.cause });
    this.name = new.target.name;
    this.headline = headline;
    this.details = details;
  }
}

/** A configuration, option or name that cannot be used. */
export class ConfigError extends LavisError {}
/** A checkpoint that cannot be read, written or fitted to the model. */
export class CheckpointError extends LavisError {}
/** An annotation, image, vocabulary or download that cannot be used. */
export class DataError extends LavisError {}
/** A device, backend or kernel that cannot do what is asked. */
export class EngineError extends LavisError {}
/** A training run that cannot go on: its loss is no number, say. */
export class TrainingError extends LavisError {}
/** A worker, communicator or launcher that failed. */
export class DistributedError extends LavisError {}

/** A run that was asked to stop, has saved, and ends with the exit code that shells expect. */
export class RunInterrupted extends Error {
  readonly exitCode: number;

  constructor(
    readonly signal: NodeJS.Signals,
    /** Where the run can be carried on from. */
    readonly checkpoint?: string,
  ) {
    super(`stopped by ${signal}${checkpoint ? `; carry on with run.resume_ckpt_path=${checkpoint}` : ''}`);
    this.name = 'RunInterrupted';
    this.exitCode = 128 + constants.signals[signal];
  }
}

const LABELS = ['where', 'found', 'allowed', 'help'] as const;

function formatMessage(headline: string, details: ErrorDetails): string {
  const lines = [headline];
  for (const label of LABELS) {
    const text = details[label];
    if (text) lines.push(`  ${`${label}:`.padEnd(9)}${text.replaceAll('\n', `\n${' '.repeat(11)}`)}`);
  }
  return lines.join('\n');
}

/** The message of anything thrown, errors or not. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** What the system's complaint about a file or folder means, for people; its own words where it is none of these. */
export function explainSystemError(thrown: unknown): string {
  const code = (thrown as NodeJS.ErrnoException | undefined)?.code;
  return (code && SYSTEM_ERRORS[code]) || messageOf(thrown);
}

const SYSTEM_ERRORS: Readonly<Record<string, string | undefined>> = {
  ENOENT: 'no such file or folder',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EISDIR: 'a folder, not a file',
  EEXIST: 'something with that name already exists',
  EACCES: 'no permission',
  EPERM: 'no permission',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file is larger than the file system or the limit of this process allows',
  ENAMETOOLONG: 'the name is longer than the file system allows',
  ELOOP: 'symbolic links that form a loop',
  EMFILE: 'too many open files in this process (ulimit -n)',
  ENFILE: 'too many open files on this machine',
  EIO: 'the disk reports an error',
  ESTALE: 'the network file system has lost the file',
  EBUSY: 'in use by another program',
};
