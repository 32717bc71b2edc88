import { EngineError, messageOf } from '../common/errors.js';
import { didYouMean } from '../common/suggest.js';
import { threadsOfProcess } from '../common/threads.js';
import { DEVICES, type Device, openDevice } from './devices.js';
import { tf } from './tf.js';

export interface EngineOptions {
  /** 'auto', 'cpu', 'cuda', 'cuda:1', 'webgpu' or 'webgpu:0'; 'auto' by default. */
  device?: string;
  /** Threads of the CPU engine; LAVIS_THREADS, OMP_NUM_THREADS or this process's share of the cores by default. */
  threads?: number;
}

/** A device that was tried and not taken. */
export interface Attempt {
  device: string;
  reason: string;
}

/** The engine that runs every tensor operation of the process. */
export interface Engine {
  /** The kind of device: 'cuda', 'webgpu' or 'cpu'. */
  name: string;
  /** The device with its number, where it has one: 'cuda:1'. */
  device: string;
  /** The name of the TensorFlow.js backend. */
  backend: string;
  /** Threads of the CPU engine. */
  threads?: number;
  /** One line for people: what was chosen and why. */
  description: string;
  /** What was tried before, and why it was not taken. */
  tried: Attempt[];
}

/**
 * Chooses the engine of this process: the named device, or with 'auto' the first of cuda, webgpu and cpu
 * that loads.
 * @throws EngineError for an unknown device, or one that cannot be loaded: all that was tried and why it
 * failed, and the command that mends it; for a LAVIS_THREADS that is not a number of threads
 */
export async function setupEngine({ device = 'auto', threads }: EngineOptions = {}): Promise<Engine> {
  const wanted = parseDevice(device);
  const candidates = wanted === 'auto' ? DEVICES.map((name): Device => ({ name })) : [wanted];
  const options = { threads: threads ?? threadsOfProcess(), auto: wanted === 'auto' };
  const tried: Attempt[] = [];
  const help: string[] = [];
  for (const candidate of candidates) {
    const name = nameOf(candidate);
    try {
      const opened = await openDevice(candidate, options);
      await tf.setBackend(opened.backend);
      await tf.ready();
      const why = tried.length > 0 ? ` (${tried.map((t) => `${t.device}: ${t.reason}`).join('; ')})` : '';
      const engineThreads = candidate.name === 'cpu' ? options.threads : undefined;
      return {
        name: candidate.name,
        device: name,
        backend: opened.backend,
        threads: engineThreads,
        description: `${name}: ${opened.description}${why}`,
        tried,
      };
    } catch (error) {
      tried.push({ device: name, reason: reasonOf(error) });
      if (error instanceof EngineError && error.details.help) help.push(error.details.help);
    }
  }
  throw new EngineError(`no engine for device '${device}' can be loaded`, {
    found: tried.map((t) => `${t.device}: ${t.reason}`).join('\n'),
    help: help.join('\n') || undefined,
  });
}

const nameOf = ({ name, index }: Device) => (index === undefined ? name : `${name}:${index}`);

/** One line. */
function reasonOf(error: unknown): string {
  if (!(error instanceof EngineError)) return messageOf(error).split('\n')[0].trim();
  const { headline, details } = error;
  const found = details.found?.split('\n').join(', ');
  return [headline.split('\n')[0].trim(), found].filter(Boolean).join('; there is ');
}

/** @throws EngineError for a name that is no device of ours, there or not */
export function parseDevice(device: string): Device | 'auto' {
  if (device === 'auto') return 'auto';
  const [, name, index] = /^([a-z]+)(?::(.+))?$/.exec(device) ?? [];
  const known = DEVICES.find((candidate) => candidate === name);
  const numbered = index === undefined || /^\d+$/.test(index);
  if (!known || (known === 'cpu' && index !== undefined) || (known === 'cuda' && !numbered)) {
    const suggestion = didYouMean(device.split(':')[0], ['auto', ...DEVICES]);
    throw new EngineError(`unknown device '${device}'${suggestion ? `: ${suggestion}` : ''}`, {
      allowed: "'auto', 'cpu', 'cuda', 'cuda:<number>', 'webgpu', 'webgpu:<number>' or 'webgpu:<name>'",
      help: 'set run.device, or --device on the command line',
    });
  }
  return { name: known, index: index !== undefined && numbered ? Number(index) : index };
}
