import { execFile } from 'node:child_process';
import { constants, existsSync, readFileSync } from 'node:fs';
import { access, mkdir, statfs } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { cpus, freemem, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { messageOf } from '../common/errors.js';
import { cacheRoot } from '../common/paths.js';
import { shareOfProcessors } from '../common/threads.js';
import { request } from '../fetch/index.js';
import type { EngineReport } from './engine_probe.js';

export interface Check {
  title: string;
  /** `absent`: not there, and a run may do without; `bad`: something has to be done. */
  state: 'good' | 'absent' | 'bad';
  text: string;
  /** What to do about it. */
  help?: string;
}

const run = promisify(execFile);

const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

export function checkNode(version = process.versions.node): Check {
  const [major, minor] = version.split('.').map(Number);
  const good = major > 20 || (major === 20 && minor >= 19);
  const text = `${version}, ${process.platform} ${process.arch}`;
  return {
    title: 'Node',
    state: good ? 'good' : 'bad',
    text,
    help: good ? undefined : 'Node 20.19 or later',
  };
}

export function checkMachine(): Check {
  const threads = shareOfProcessors();
  const processor = cpus()[0]?.model.trim() || 'processor';
  const text = `${processor}, ${threads} ${threads === 1 ? 'thread' : 'threads'}; memory ${gib(totalmem())}, ${gib(freemem())} free`;
  return { title: 'Machine', state: 'good', text };
}

/** The versions of what an engine is made of. */
const ENGINE_PACKAGES: Record<string, string[]> = {
  cuda: ['@tensorflow/tfjs-node-gpu'],
  webgpu: ['webgpu', '@tensorflow/tfjs-backend-webgpu'],
  cpu: ['onnxruntime-node', '@tensorflow/tfjs-core'],
};

export async function checkEngine(device: string): Promise<Check> {
  const title = `Engine ${device}`;
  const script = fileURLToPath(new URL('./engine_probe.js', import.meta.url));
  const versions = ENGINE_PACKAGES[device]
    .map((name) => [name, versionOf(name)])
    .filter(([, version]) => version !== undefined)
    .map((named) => named.join(' '))
    .join(', ');
  const optional = device !== 'cpu';
  const { description, gflops, size, float16, adapters, error } = await tryEngine(script, device);
  if (description) {
    // onnxruntime-node's library may have been kept without the package (scripts/keep_library.mjs).
    const text = `${description.replace(`${device}: `, '')}: ${gflops!.toPrecision(3)} GFLOP/s (${size} x ${size}); ${versions}`;
    const half = float16 ? ['run.amp computes in float16'] : [];
    const others = adapters && adapters.length > 1 ? [`adapters: ${adapters.join(', ')}`] : [];
    return { title, state: 'good', text: [text, ...half, ...others].join('; ') };
  }
  const [, found] = /found: +(?:\w+: )?(.*)/.exec(error!) ?? [];
  const [, help] = /help: +(.*)/s.exec(error!) ?? [];
  const text = found ?? error!.split('\n')[0];
  return { title, state: optional ? 'absent' : 'bad', text, help: help?.replace(/\n +/g, '\n') };
}

async function tryEngine(script: string, device: string): Promise<EngineReport> {
  try {
    const { stdout } = await run(process.execPath, [script, device], { timeout: 120_000 });
    return JSON.parse(stdout.trim().split('\n').at(-1)!) as EngineReport;
  } catch (error) {
    const { signal, stderr } = error as { signal?: string; stderr?: string };
    const last = stderr?.trim().split('\n').at(-1);
    return { error: signal ? `its process ended by ${signal}` : (last ?? messageOf(error)) };
  }
}

function versionOf(name: string): string | undefined {
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? [];
  const file = folders.map((folder) => join(folder, name, 'package.json')).find((path) => existsSync(path));
  return file ? (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version : undefined;
}

/** A program that a part of LAVIS calls, and what its version line looks like. */
export async function checkProgram(
  title: string,
  command: string,
  args: string[],
  purpose: string,
  help: string,
): Promise<Check> {
  try {
    const { stdout, stderr } = await run(command, args);
    return { title, state: 'good', text: (stdout || stderr).trim().split('\n')[0] };
  } catch {
    return { title, state: 'absent', text: `no ${command}: ${purpose}`, help };
  }
}

export async function checkCache(): Promise<Check> {
  const folder = cacheRoot();
  const title = 'Cache';
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
    const { bavail, bsize } = await statfs(folder);
    return { title, state: 'good', text: `${folder}, ${gib(bavail * bsize)} free` };
  } catch (error) {
    const help = `a folder that can be written: LAVIS_CACHE_ROOT=<folder> (now ${dirname(folder)})`;
    return { title, state: 'bad', text: messageOf(error), help };
  }
}

/** Whether a host answers at all; what it answers does not matter. */
export async function checkHost(host: string, purpose: string, help: string): Promise<Check> {
  const title = host;
  const protocol = host.startsWith('images.') ? 'http' : 'https';
  const absent = (why: string): Check => ({
    title,
    state: 'absent',
    text: `not reached, it has ${purpose} (${why})`,
    help,
  });
  try {
    const response = await request(`${protocol}://${host}/`, { method: 'HEAD', stallMs: 8000 });
    response.destroy();
    const { statusCode } = response;
    if ([407, 502, 503].includes(statusCode ?? 0)) return absent(`a proxy answers ${statusCode}`);
    return { title, state: 'good', text: `reachable: ${purpose}` };
  } catch (error) {
    return absent(messageOf(error));
  }
}
