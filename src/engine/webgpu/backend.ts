import { createRequire } from 'node:module';
import { setImmediate } from 'node:timers/promises';
import { EngineError } from '../../common/errors.js';
import { tf } from '../tf.js';
import { BufferManager } from './buffers.js';
import type { EventPump } from './pump.js';

/** What WebGPUBackend of TensorFlow.js 4.22 keeps to itself. */
interface Internals {
  commandEncoder: GPUCommandEncoder | null;
  computePassEncoder: GPUComputePassEncoder | null;
  commandQueueOwnedIds: WeakSet<object>;
  dispatchCountInPass: number;
  uniformPendingDisposal: GPUBuffer[];
  /** Where something is being timed: the time of each shader. */
  activeTimers: { name: string; query: Promise<number> }[] | null | undefined;
  supportTimestampQuery: boolean;
  querySet: GPUQuerySet | null;
}

interface TensorData {
  values: tf.backend_util.TypedArray | null;
  dtype: tf.DataType;
  shape: number[];
  refCount: number;
  resource?: GPUBuffer;
  complexTensorInfos?: unknown;
}

interface BaseBackend extends tf.KernelBackend {
  device: GPUDevice;
  queue: GPUQueue;
  tensorMap: { get(dataId: object): TensorData | undefined; has(dataId: object): boolean };
  bufferManager: BufferManager;
  makeTensorInfo(shape: number[], dtype: tf.DataType): tf.TensorInfo;
  uploadToGPU(dataId: object): void;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
  getQueryTime(): Promise<number>;
  readSync(dataId: object): tf.BackendValues;
  read(dataId: object): Promise<tf.BackendValues>;
  memory(): { numBytesInGPU: number; numBytesAllocatedInGPU: number; unreliable: boolean };
}

const { WebGPUBackend } = createRequire(import.meta.url)('@tensorflow/tfjs-backend-webgpu') as {
  WebGPUBackend: new (device: GPUDevice, info?: GPUAdapterInfo) => BaseBackend;
};

/** A compute shader with the tensors and numbers that it works on. */
export interface Dispatch {
  /** Names the shader: what its code depends on. */
  key: string;
  /** WGSL with an entry point `main`; asked for on the first run only. */
  code(): string;
  /** By binding number. */
  tensors: readonly tf.TensorInfo[];
  /** The binding after the tensors: a struct of u32 and f32. */
  params: readonly Param[];
  /** How many workgroups; more than one dimension may hold are folded over x and y. */
  workgroups: number;
}

export type Param = readonly [type: 'u32' | 'f32', value: number];
export const u32 = (value: number): Param => ['u32', value];
export const f32 = (value: number): Param => ['f32', value];

/**
 * TensorFlow.js's WebGPU backend with synchronous reads, memory that is given back, errors that are told,
 * and shaders with several results.
 */
export class LavisWebGpuBackend extends WebGPUBackend {
  readonly #pipelines = new Map<string, GPUComputePipeline>();
  readonly #pump: EventPump;
  /** What the GPU refused since the last read: results that depend on it are wrong. */
  #refused: EngineError | undefined;
  #lost: EngineError | undefined;

  constructor(device: GPUDevice, info: GPUAdapterInfo, pump: EventPump) {
    super(device, info);
    this.#pump = pump;
    this.bufferManager = new BufferManager(device);
    void device.lost.then(({ message, reason }) => {
      if (reason === 'destroyed') return;
      this.#lost = new EngineError('the graphics device is lost', {
        found: message,
        help: LOST_HELP,
      });
    });
    device.addEventListener('uncapturederror', ({ error }) => {
      this.#refused ??= failureOf(error);
    });
  }

  get #internals(): Internals {
    return this as unknown as Internals;
  }

  /** An uninitialized tensor on the GPU. */
  allocate(shape: readonly number[], dtype: tf.DataType = 'float32'): tf.TensorInfo {
    return this.makeTensorInfo([...shape], dtype);
  }

  /** Records a shader; it runs with the commands before it. */
  run({ key, code, tensors, params, workgroups }: Dispatch): void {
    if (workgroups === 0) return;
    const internals = this.#internals;
    const buffers = tensors.map((tensor) => this.#bufferOf(tensor));
    if (params.length > 0) buffers.push(this.#uniform(params));
    const pipeline = this.#pipeline(key, code);
    const bindGroup = this.device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
    });
    for (const { dataId } of tensors) internals.commandQueueOwnedIds.add(dataId);
    this.ensureCommandEncoderReady();
    const timers = internals.supportTimestampQuery ? internals.activeTimers : undefined;
    if (timers) this.#beginTimedPass();
    internals.computePassEncoder ??= internals.commandEncoder!.beginComputePass();
    const pass = internals.computePassEncoder;
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    const most = this.device.limits.maxComputeWorkgroupsPerDimension;
    const columns = workgroups <= most ? workgroups : Math.ceil(Math.sqrt(workgroups));
    pass.dispatchWorkgroups(columns, Math.ceil(workgroups / columns));
    internals.dispatchCountInPass++;
    if (timers) {
      this.endComputePassEncoder();
      timers.push({ name: key, query: this.getQueryTime() });
    } else if (
      internals.dispatchCountInPass >= (tf.env().get('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE') as number)
    ) {
      this.endComputePassEncoder();
      this.submitQueue();
    }
  }

  #beginTimedPass(): void {
    const internals = this.#internals;
    this.endComputePassEncoder();
    internals.querySet ??= this.device.createQuerySet({ type: 'timestamp', count: 2 });
    const timestampWrites = {
      querySet: internals.querySet,
      beginningOfPassWriteIndex: 0,
      endOfPassWriteIndex: 1,
    };
    internals.computePassEncoder = internals.commandEncoder!.beginComputePass({ timestampWrites });
  }

  override getQueryTime(): Promise<number> {
    return this.#pump.call(() => super.getQueryTime());
  }

  /** Makes sure that nobody else sees what a shader writes to the variable. */
  makeExclusive(variable: tf.Variable): void {
    if (this.tensorMap.get(variable.dataId)!.refCount === 1) return;
    const copy = tf.engine().makeTensorFromTensorInfo(this.allocate(variable.shape), this);
    const [from, to] = [this.#bufferOf(variable), this.#bufferOf(copy)];
    this.ensureCommandEncoderReady();
    this.endComputePassEncoder();
    const internals = this.#internals;
    internals.commandEncoder!.copyBufferToBuffer(from, 0, to, 0, from.size);
    internals.commandQueueOwnedIds.add(variable.dataId).add(copy.dataId);
    variable.assign(copy);
    copy.dispose();
  }

  override submitQueue(): void {
    if (this.#lost) throw this.#lost;
    super.submitQueue();
  }

  override readSync(dataId: object): tf.BackendValues {
    const data = this.tensorMap.get(dataId)!;
    if (data.values != null || data.dtype === 'string' || data.complexTensorInfos)
      return super.readSync(dataId);
    if (!data.resource) return unwritten(data);
    const staging = this.#stage(data.resource);
    let failed: unknown;
    this.#pump
      .call(() => staging.mapAsync(GPUMapMode.READ))
      .catch((error) => {
        failed = error;
      });
    const mapped = () => staging.mapState !== 'pending';
    if (!this.#pump.waitUntil(mapped) || staging.mapState !== 'mapped') {
      this.#throwFailure();
      // Of a loss, Dawn tells only when this function has returned.
      throw new EngineError('the GPU gives no answer: its device is lost', {
        help: LOST_HELP,
        cause: failed,
      });
    }
    return this.#take(staging, data);
  }

  override async read(dataId: object): Promise<tf.BackendValues> {
    const data = this.tensorMap.get(dataId)!;
    if (data.values != null || data.dtype === 'string' || data.complexTensorInfos) return super.read(dataId);
    if (!data.resource) return unwritten(data);
    const staging = this.#stage(data.resource);
    try {
      await this.#pump.call(() => staging.mapAsync(GPUMapMode.READ));
    } catch (error) {
      await setImmediate(); // a loss is told right after the reads that it ended
      this.#throwFailure();
      throw error;
    }
    return this.#take(staging, data);
  }

  /** Begins to copy a buffer to where the host can read it. */
  #stage(buffer: GPUBuffer): GPUBuffer {
    const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ;
    const staging = this.bufferManager.acquireBuffer(buffer.size, usage);
    this.ensureCommandEncoderReady();
    this.endComputePassEncoder();
    this.#internals.commandEncoder!.copyBufferToBuffer(buffer, 0, staging, 0, buffer.size);
    this.submitQueue();
    return staging;
  }

  /** The values are not kept: a shader may change the tensor, and twice the memory would be needed. */
  #take(staging: GPUBuffer, { dtype, shape }: TensorData): tf.BackendValues {
    const bytes = staging.getMappedRange().slice(0, 4 * tf.util.sizeFromShape(shape));
    staging.unmap();
    this.bufferManager.releaseBuffer(staging);
    this.#throwFailure();
    return convert(bytes, dtype);
  }

  #throwFailure(): void {
    const failure = this.#lost ?? this.#refused;
    this.#refused = undefined;
    if (failure) throw failure;
  }

  #bufferOf(tensor: tf.TensorInfo): GPUBuffer {
    this.uploadToGPU(tensor.dataId);
    return this.tensorMap.get(tensor.dataId)!.resource!;
  }

  #uniform(params: readonly Param[]): GPUBuffer {
    const view = new DataView(new ArrayBuffer(Math.ceil(params.length / 4) * 16));
    for (const [i, [type, value]] of params.entries()) {
      if (type === 'u32') view.setUint32(4 * i, value, true);
      else view.setFloat32(4 * i, value, true);
    }
    const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.UNIFORM;
    const buffer = this.bufferManager.acquireBuffer(view.byteLength, usage);
    this.queue.writeBuffer(buffer, 0, view.buffer);
    this.#internals.uniformPendingDisposal.push(buffer);
    return buffer;
  }

  #pipeline(key: string, code: () => string): GPUComputePipeline {
    const known = this.#pipelines.get(key);
    if (known) return known;
    const module = this.device.createShaderModule({ code: code(), label: key });
    const compute = { module, entryPoint: 'main' };
    const pipeline = this.device.createComputePipeline({ layout: 'auto', label: key, compute });
    this.#pipelines.set(key, pipeline);
    return pipeline;
  }
}

const LOST_HELP =
  'a smaller batch, or a reset of the driver; a run goes on from its newest checkpoint: run.resume_ckpt_path';

/** What no shader has written: empty tensors never reach the GPU. */
const unwritten = ({ shape, dtype }: TensorData) =>
  convert(new ArrayBuffer(4 * tf.util.sizeFromShape(shape)), dtype);

function convert(bytes: ArrayBuffer, dtype: tf.DataType): tf.BackendValues {
  if (dtype === 'float32') return new Float32Array(bytes);
  if (dtype === 'int32') return new Int32Array(bytes);
  return Uint8Array.from(new Int32Array(bytes)); // bool
}

function failureOf(error: GPUError): EngineError {
  const outOfMemory = error instanceof GPUOutOfMemoryError;
  return new EngineError(outOfMemory ? 'the GPU is out of memory' : 'the GPU refused a command', {
    found: error.message,
    help: outOfMemory
      ? 'a smaller run.batch_size_train with run.accum_grad_iters, or model.vit_grad_ckpt: True'
      : undefined,
  });
}
