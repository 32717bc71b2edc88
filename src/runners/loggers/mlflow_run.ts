import { readFile } from 'node:fs/promises';
import { messageOf } from '../../common/errors.js';
import { writeFileAtomic } from '../../common/files.js';
import { log } from '../../common/logging.js';
import { counted } from '../../common/words.js';
import { type MetricsLine, scalarsOf } from '../metrics_log.js';
import { writeOrWarn } from '../run_folder.js';
import {
  type MlflowClient,
  type MlflowEntry,
  MlflowFailure,
  type MlflowMetric,
  type MlflowStatus,
  withoutPassword,
} from './mlflow_client.js';
import { Outbox } from './outbox.js';

/** What MLflow takes at once. Source: mlflow/utils/validation.py. */
const MOST = { metrics: 1000, entries: 100, paramValue: 6000, tagValue: 8000, key: 250 };

/** What a run is called and described by. */
export interface MlflowFacts {
  experiment: string;
  /** Of a run that is there already. */
  runId?: string;
  name: string;
  params: readonly MlflowEntry[];
  tags: Readonly<Record<string, string>>;
}

/** mlflow.json: which run of which server a folder's run is, and how many lines of metrics.jsonl it has been told. */
interface Known {
  tracking_uri: string;
  experiment_id: string;
  run_id: string;
  sent: number;
}

/** Stands in front of the first line: the server hears of a run before there are numbers. */
const BEGIN = 'begin';

/** A run of a tracking server that follows the lines of a metrics.jsonl. */
export class MlflowRun {
  readonly #outbox: Outbox<MetricsLine | typeof BEGIN>;
  readonly #started = Date.now();
  /** Lines that were told before a resume, and lines that were added since. */
  readonly #had: number;
  #added = 0;
  /** Undefined until the server knows of the run. */
  #known?: Known;
  #begun = false;

  private constructor(
    private readonly client: MlflowClient,
    private readonly file: string,
    private readonly facts: MlflowFacts,
    before: Known | undefined,
  ) {
    this.#known = before;
    this.#had = before?.sent ?? 0;
    const onFailure = (thrown: unknown) =>
      log.warnOnce(`${this.#server}: ${messageOf(thrown)}; the run goes on, and MLflow is tried again`);
    this.#outbox = new Outbox({ send: (waiting) => this.#send(waiting), onFailure });
    this.#outbox.push(BEGIN);
  }

  /** @param file mlflow.json, which may be there from an earlier part of the run */
  static async open(client: MlflowClient, file: string, facts: MlflowFacts): Promise<MlflowRun> {
    const before = await readKnown(file);
    const same = before?.tracking_uri === withoutPassword(client.uri);
    return new MlflowRun(client, file, facts, same ? before : undefined);
  }

  /** Lines that the server was not told. */
  get left(): number {
    return this.#outbox.left - (this.#begun ? 0 : 1);
  }

  /** The next line of metrics.jsonl: from its first on, though the server may have that from before a resume. */
  add(line: MetricsLine): void {
    if (this.#added++ >= this.#had) this.#outbox.push(line);
  }

  /** Tells what is left, and how the run ended; a server that is down is given up at the first try. */
  async close(status: MlflowStatus): Promise<void> {
    await this.#outbox.close();
    if (!this.#known || this.#outbox.left > 0) return;
    try {
      await this.client.updateRun(this.#known.run_id, status, Date.now());
    } catch (thrown) {
      log.warn(`${this.#server} was not told that the run is ${status}: ${messageOf(thrown)}`);
    }
  }

  get #server(): string {
    return `MLflow at ${withoutPassword(this.client.uri)}`;
  }

  async #send([first, ...rest]: readonly (MetricsLine | typeof BEGIN)[]): Promise<number> {
    if (first === BEGIN) {
      await this.#begin();
      this.#begun = true;
      return 1;
    }
    const metrics: MlflowMetric[] = [];
    let count = 0;
    for (const line of [first, ...(rest as MetricsLine[])]) {
      const more = metricsOf(line);
      if (metrics.length + more.length > MOST.metrics) break;
      metrics.push(...more);
      count++;
    }
    if (metrics.length > 0) await this.#logMetrics(metrics);
    this.#known!.sent += count;
    await this.#note();
    return count;
  }

  /** What the server will never take is told, and left out: the rest shall arrive. */
  async #logMetrics(metrics: MlflowMetric[]): Promise<void> {
    try {
      await this.client.logBatch(this.#known!.run_id, { metrics });
    } catch (thrown) {
      if (!(thrown instanceof MlflowFailure) || thrown.passing) throw thrown;
      log.warnOnce(`${this.#server} refuses ${counted(metrics.length, 'number')}: ${thrown.message}`);
    }
  }

  async #begin(): Promise<void> {
    const params = await this.#find();
    const { run_id, experiment_id } = this.#known!;
    await this.#note();
    await this.client.updateRun(run_id, 'RUNNING');
    const { lacking, changed } = compared(this.facts.params, params);
    const tags = Object.entries({ ...this.facts.tags, ...changed }).map(([key, value]) => ({
      key: nameOf(key),
      value: value.slice(0, MOST.tagValue),
    }));
    for (const some of chunks(tags)) await this.client.logBatch(run_id, { tags: some });
    for (const some of chunks(lacking)) await this.client.logBatch(run_id, { params: some });
    log.info(
      `MLflow: ${this.facts.name} is ${withoutPassword(this.client.uri)}/#/experiments/${experiment_id}/runs/${run_id}`,
    );
  }

  /** The run that the server knows, or a new one. @returns the parameters that it has */
  async #find(): Promise<ReadonlyMap<string, string>> {
    const runId = this.#known?.run_id ?? this.facts.runId;
    try {
      if (runId !== undefined) {
        const { experimentId, params } = await this.client.findRun(runId);
        this.#known ??= this.#newlyKnown(experimentId, runId);
        return params;
      }
    } catch (thrown) {
      const gone = thrown instanceof MlflowFailure && thrown.code === 'RESOURCE_DOES_NOT_EXIST';
      if (!gone) throw thrown;
      log.warn(`${this.#server} has no run ${runId} any more: a new one begins`);
    }
    const { experiment, name } = this.facts;
    const experimentId = await this.client.experimentId(experiment);
    const created = await this.client.createRun(experimentId, name, this.#started);
    this.#known = this.#newlyKnown(experimentId, created);
    return new Map();
  }

  #newlyKnown(experiment_id: string, run_id: string): Known {
    return { tracking_uri: withoutPassword(this.client.uri), experiment_id, run_id, sent: this.#had };
  }

  #note(): Promise<void> {
    return writeOrWarn(this.file, (path) => writeFileAtomic(path, `${JSON.stringify(this.#known)}\n`));
  }
}

async function readKnown(file: string): Promise<Known | undefined> {
  try {
    const known = JSON.parse(await readFile(file, 'utf8')) as Partial<Known>;
    const whole = typeof known.run_id === 'string' && typeof known.sent === 'number';
    return whole ? (known as Known) : undefined;
  } catch {
    return undefined; // the first part of the run
  }
}

function metricsOf(line: MetricsLine): MlflowMetric[] {
  const timestamp = Math.round(1000 * line.time);
  return scalarsOf(line).map(({ tag, value, step }) => ({
    ...{ key: nameOf(tag), timestamp, step },
    value: Number.isFinite(value) ? value : (String(value) as 'NaN'),
  }));
}

/** Parameters never change in MLflow: what a resumed run has otherwise becomes a tag. */
function compared(now: readonly MlflowEntry[], there: ReadonlyMap<string, string>) {
  const lacking: MlflowEntry[] = [];
  const changed: Record<string, string> = {};
  for (const entry of now) {
    const key = nameOf(entry.key);
    const value = entry.value.slice(0, MOST.paramValue);
    const before = there.get(key);
    if (before === undefined) lacking.push({ key, value });
    else if (before !== value) changed[`changed.${key}`] = value;
  }
  return { lacking, changed };
}

/** Letters, digits, `_-./` and blanks are names there, and nothing that a path would be normalised to. */
function nameOf(name: string): string {
  const parts = name.replace(/[^\w.\- /]/g, '_').split('/');
  return parts
    .filter((part) => !/^\.*$/.test(part))
    .join('/')
    .slice(0, MOST.key);
}

const chunks = <T>(items: readonly T[]): T[][] =>
  Array.from({ length: Math.ceil(items.length / MOST.entries) }, (_, i) =>
    items.slice(i * MOST.entries, (i + 1) * MOST.entries),
  );
