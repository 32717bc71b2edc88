import { tf } from './tf.js';

export interface EngineOptions {
  /** 'auto', 'cpu', 'cuda', 'cuda:1', 'webgpu' or 'webgpu:0'. */
  device?: string;
  /** Threads of the CPU engine; all cores unless given. */
  threads?: number;
}

/** The engine that runs every tensor operation of the process. */
export interface Engine {
  /** The engine's short name. */
  name: string;
  /** The device as asked for, resolved. */
  device: string;
  /** The name of the TensorFlow.js backend. */
  backend: string;
  threads?: number;
  /** One line for people. */
  description: string;
  /** What was tried before, and why it was not taken. */
  tried: { device: string; reason: string }[];
}

/** Chooses the engine of this process. */
export async function setupEngine({ device = 'auto' }: EngineOptions = {}): Promise<Engine> {
  await tf.setBackend('cpu');
  await tf.ready();
  const resolved = device === 'auto' ? 'cpu' : device;
  return {
    name: 'cpu',
    device: resolved,
    backend: 'cpu',
    description: "TensorFlow.js's cpu backend",
    tried: [],
  };
}
