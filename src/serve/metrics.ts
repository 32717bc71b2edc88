import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { BatchQueue } from './batch_queue.js';
import type { WorkerPool } from './worker_pool.js';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

/** What Prometheus reads of the server. */
export class ServerMetrics {
  readonly #registry = new Registry();
  readonly requests: Counter<'path' | 'status'>;
  readonly seconds: Histogram<'path'>;
  readonly batchSize: Histogram<'use'>;
  readonly waited: Histogram<'use'>;
  readonly cancelled: Counter;

  constructor({ queue, pool }: { queue: BatchQueue; pool: WorkerPool }) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.requests = new Counter({
      name: 'lavis_requests_total',
      help: 'Requests that were answered',
      labelNames: ['path', 'status'],
      registers,
    });
    this.seconds = new Histogram({
      name: 'lavis_request_seconds',
      help: 'Time from the headers of a request to the end of its response',
      labelNames: ['path'],
      buckets: SECONDS,
      registers,
    });
    this.batchSize = new Histogram({
      name: 'lavis_batch_size',
      help: 'Requests of a batch',
      labelNames: ['use'],
      buckets: [1, 2, 4, 8, 16, 32, 64],
      registers,
    });
    this.waited = new Histogram({
      name: 'lavis_queue_seconds',
      help: 'Time of a request in the queue',
      labelNames: ['use'],
      buckets: SECONDS,
      registers,
    });
    this.cancelled = new Counter({
      name: 'lavis_requests_cancelled_total',
      help: 'Requests whose client went before they were answered',
      registers,
    });
    gauge('lavis_queue_length', 'Requests that wait for their batch', () => queue.waiting);
    gauge('lavis_requests_running', 'Requests whose batch is being carried out', () => queue.running);
    gauge('lavis_workers', 'Worker processes', () => pool.size);
    gauge('lavis_workers_ready', 'Worker processes that have their models', () => pool.ready);

    function gauge(name: string, help: string, read: () => number): void {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    }
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}
