import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { ConfigError, messageOf } from '../../common/errors.js';
import { version } from '../../common/paths.js';
import { request } from '../../fetch/index.js';

/** A value of a metric, as MLflow takes it. */
export interface MlflowMetric {
  key: string;
  /** NaN and the infinities as text: JSON has no numbers for them. */
  value: number | 'NaN' | 'Infinity' | '-Infinity';
  /** Milliseconds since 1970. */
  timestamp: number;
  step: number;
}

export interface MlflowEntry {
  key: string;
  value: string;
}

/** How a run ended, or that it has not. */
export type MlflowStatus = 'RUNNING' | 'FINISHED' | 'FAILED' | 'KILLED';

/** A call that came to nothing. */
export class MlflowFailure extends Error {
  constructor(
    message: string,
    /** Whether the same call may come to something later. */
    readonly passing: boolean,
    /** MLflow's own word for it: `RESOURCE_DOES_NOT_EXIST`. */
    readonly code?: string,
  ) {
    super(message);
  }
}

/** A server that is silent for so long is taken to be down: training does not wait for it, but its end does. */
const SILENCE_MS = 10_000;

/** Answers that another try may better; those about who asks too: a token may be renewed. Others are about what was sent. */
const PASSING = new Set([401, 403, 407, 408, 429, 500, 502, 503, 504]);

/**
 * MLflow's tracking server over REST. Source: https://mlflow.org/docs/latest/rest-api.html; names of environment
 * variables: mlflow/environment_variables.py.
 */
export class MlflowClient {
  readonly uri: string;
  readonly #headers: Record<string, string>;
  readonly #tls: { ca?: string; rejectUnauthorized?: boolean };

  /** @throws ConfigError for an address that is not a server's, or a certificate that cannot be read */
  constructor(uri: string, env: Record<string, string | undefined> = process.env) {
    this.uri = checkedUri(uri);
    this.#headers = {
      'Content-Type': 'application/json',
      'User-Agent': `lavis-node/${version()}`,
      ...authorization(env),
    };
    this.#tls = tlsOf(env);
  }

  /** The id of an experiment; one that is not there is made. */
  async experimentId(name: string): Promise<string> {
    try {
      const { experiment } = await this.#get<{
        experiment: { experiment_id: string; lifecycle_stage: string };
      }>(`experiments/get-by-name?experiment_name=${encodeURIComponent(name)}`);
      if (experiment.lifecycle_stage !== 'deleted') return experiment.experiment_id;
      throw new MlflowFailure(`the experiment '${name}' is deleted there: restore it, or name another`, true);
    } catch (thrown) {
      if (!(thrown instanceof MlflowFailure) || thrown.code !== 'RESOURCE_DOES_NOT_EXIST') throw thrown;
    }
    return (await this.#post<{ experiment_id: string }>('experiments/create', { name })).experiment_id;
  }

  /** @returns its id */
  async createRun(experimentId: string, name: string, started: number): Promise<string> {
    const { run } = await this.#post<{ run: { info: { run_id: string } } }>('runs/create', {
      experiment_id: experimentId,
      run_name: name,
      start_time: started,
    });
    return run.info.run_id;
  }

  /** The experiment of a run that is there already, and the parameters that it has. */
  async findRun(runId: string): Promise<{ experimentId: string; params: Map<string, string> }> {
    const { run } = await this.#get<{
      run: { info: { experiment_id: string }; data?: { params?: MlflowEntry[] } };
    }>(`runs/get?run_id=${encodeURIComponent(runId)}`);
    const params = run.data?.params ?? [];
    return {
      experimentId: run.info.experiment_id,
      params: new Map(params.map(({ key, value }) => [key, value])),
    };
  }

  /** At most 1000 metrics, 100 parameters, 100 tags, and 1000 of all together. */
  async logBatch(
    runId: string,
    batch: { metrics?: MlflowMetric[]; params?: MlflowEntry[]; tags?: MlflowEntry[] },
  ): Promise<void> {
    await this.#post('runs/log-batch', { run_id: runId, ...batch });
  }

  /** @param ended milliseconds since 1970; for one that goes on, nothing */
  async updateRun(runId: string, status: MlflowStatus, ended?: number): Promise<void> {
    await this.#post('runs/update', { run_id: runId, status, end_time: ended });
  }

  #get<T>(path: string): Promise<T> {
    return this.#call('GET', path);
  }

  #post<T>(path: string, body: object): Promise<T> {
    return this.#call('POST', path, JSON.stringify(body));
  }

  /** @throws MlflowFailure */
  async #call<T>(method: 'GET' | 'POST', path: string, body?: string): Promise<T> {
    const [status, answer] = await this.#answer(method, path, body).catch((thrown: unknown) => {
      throw new MlflowFailure(messageOf(thrown), true);
    });
    const parsed = parsedObject(answer);
    if (status === 200 && parsed) return parsed as T;
    const { error_code: code, message } = (parsed ?? {}) as { error_code?: string; message?: string };
    const said = [code, message?.split('\n')[0]].filter(Boolean).join(': ');
    // 200 without JSON: a login page, or no MLflow at all.
    const what =
      status === 200 ? 'the answer is not one of MLflow' : `status ${status}${said && `, ${said}`}`;
    throw new MlflowFailure(what, status === 200 || PASSING.has(status), code);
  }

  async #answer(
    method: 'GET' | 'POST',
    path: string,
    body?: string,
  ): Promise<[status: number, body: string]> {
    const headers = { ...this.#headers };
    if (body !== undefined) headers['Content-Length'] = String(Buffer.byteLength(body));
    const options = { method, body, headers, tls: this.#tls, stallMs: SILENCE_MS };
    const response = await request(`${this.uri}/api/2.0/mlflow/${path}`, options);
    return [response.statusCode ?? 0, await text(response)];
  }
}

function checkedUri(uri: string): string {
  if (/^https?:\/\/[^/]/.test(uri) && URL.canParse(uri)) return uri.replace(/\/+$/, '');
  throw new ConfigError('the address of MLflow is not that of a server', {
    where: 'MLFLOW_TRACKING_URI, or tracking_uri beside mlflow in run.hooks',
    found: withoutPassword(uri),
    allowed: 'http://host:port, or https://host',
    help: '`mlflow server --port 5000` serves a folder or a database of this machine at http://127.0.0.1:5000',
  });
}

/** An address as it may be shown. */
export const withoutPassword = (text: string): string => text.replace(/(\w+:\/\/)[^/@\s]+@/g, '$1***@');

/** As MLflow's own client: user and password, or else a token. */
function authorization(env: Record<string, string | undefined>): Record<string, string> {
  const { MLFLOW_TRACKING_USERNAME: user, MLFLOW_TRACKING_PASSWORD: password } = env;
  if (user && password) {
    return { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
  }
  const token = env.MLFLOW_TRACKING_TOKEN;
  return token ? { Authorization: `Bearer ${token}` } : {};
}

function tlsOf(env: Record<string, string | undefined>) {
  const rejectUnauthorized = !/^(1|true)$/i.test(env.MLFLOW_TRACKING_INSECURE_TLS ?? '');
  const file = env.MLFLOW_TRACKING_SERVER_CERT_PATH;
  if (!file) return rejectUnauthorized ? {} : { rejectUnauthorized };
  try {
    return { rejectUnauthorized, ca: readFileSync(file, 'utf8') };
  } catch (cause) {
    throw new ConfigError('the certificate of MLflow cannot be read', {
      where: 'MLFLOW_TRACKING_SERVER_CERT_PATH',
      found: messageOf(cause),
      cause,
    });
  }
}

function parsedObject(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
