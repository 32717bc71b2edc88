import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { chromium } from './chromium.js';

type Parameters = Record<string, unknown>;

/** A Chromium that is driven over its DevTools protocol, through a pipe: no port, no library. */
export class Browser {
  readonly #child: ChildProcess;
  readonly #profile = mkdtempSync(join(tmpdir(), 'lavis-browser-'));
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #ids = 0;

  constructor() {
    const flags = [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
      ...['--remote-debugging-pipe', `--user-data-dir=${this.#profile}`, '--hide-scrollbars', 'about:blank'],
    ];
    this.#child = spawn(chromium!, flags, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    let rest = '';
    (this.#child.stdio[4] as Readable).setEncoding('utf8').on('data', (chunk: string) => {
      const messages = (rest + chunk).split('\0');
      rest = messages.pop()!;
      for (const text of messages) this.#hear(JSON.parse(text));
    });
  }

  /** @throws Error as the protocol answers it */
  send<T>(method: string, params: Parameters = {}, sessionId?: string): Promise<T> {
    const id = ++this.#ids;
    (this.#child.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  async open(url: string, { width = 1280, height = 800, phone = false, dark = false } = {}): Promise<Page> {
    const { targetId } = await this.send<{ targetId: string }>('Target.createTarget', { url: 'about:blank' });
    const attach = { targetId, flatten: true };
    const { sessionId } = await this.send<{ sessionId: string }>('Target.attachToTarget', attach);
    const page = new Page((method, params) => this.send(method, params, sessionId));
    await page.send('Page.enable');
    await page.send('Emulation.setDeviceMetricsOverride', {
      ...{ width, height, deviceScaleFactor: phone ? 2 : 1, mobile: phone },
    });
    const features = [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }];
    await page.send('Emulation.setEmulatedMedia', { features });
    await page.send('Page.navigate', { url });
    await page.until('document.readyState === "complete"');
    return page;
  }

  async close(): Promise<void> {
    const ended = new Promise((done) => this.#child.once('exit', done));
    // it writes its profile to the end
    await this.send('Browser.close');
    await ended;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  #hear({ id, result, error }: { id?: number; result?: never; error?: { message: string } }): void {
    const waiting = id === undefined ? undefined : this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id!);
    if (error) waiting.reject(new Error(error.message));
    else waiting.resolve(result!);
  }
}

interface Evaluated<T> {
  result: { value: T };
  exceptionDetails?: { text: string; exception?: { description?: string } };
}

/** One page, as a person uses it: waits, presses keys, clicks, looks. */
export class Page {
  constructor(readonly send: <T>(method: string, params?: Parameters) => Promise<T>) {}

  /** The value of an expression; promises are waited for. @throws Error as the page throws it */
  async evaluate<T>(expression: string): Promise<T> {
    const given = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.send<Evaluated<T>>('Runtime.evaluate', given);
    if (!exceptionDetails) return result.value;
    throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  }

  /** Waits until an expression is true. @throws Error after 30 s, with what the page says */
  async until(expression: string): Promise<void> {
    for (const end = Date.now() + 30_000; !(await this.evaluate<boolean>(`Boolean(${expression})`)); ) {
      if (Date.now() > end) {
        throw new Error(`never true: ${expression}\n${await this.evaluate('document.body.innerText')}`);
      }
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  click(selector: string): Promise<void> {
    return this.evaluate(`document.querySelector(${JSON.stringify(selector)}).click()`);
  }

  text(selector: string): Promise<string> {
    return this.evaluate(`document.querySelector(${JSON.stringify(selector)}).innerText`);
  }

  /** Types into what has the focus. */
  async type(text: string): Promise<void> {
    await this.send('Input.insertText', { text });
  }

  async press(key: string): Promise<void> {
    const codes: Record<string, number> = { Enter: 13, Tab: 9, ArrowRight: 39, ArrowLeft: 37, ' ': 32 };
    const event = {
      key,
      code: key,
      windowsVirtualKeyCode: codes[key],
      ...(key === 'Enter' ? { text: '\r' } : {}),
    };
    await this.send('Input.dispatchKeyEvent', { type: 'keyDown', ...event });
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', ...event });
  }

  /** Chooses a file of the disk in an input. */
  async chooseFile(selector: string, path: string): Promise<void> {
    const { root } = await this.send<{ root: { nodeId: number } }>('DOM.getDocument');
    const { nodeId } = await this.send<{ nodeId: number }>('DOM.querySelector', {
      nodeId: root.nodeId,
      selector,
    });
    await this.send('DOM.setFileInputFiles', { nodeId, files: [path] });
  }

  async screenshot(): Promise<Buffer> {
    const { data } = await this.send<{ data: string }>('Page.captureScreenshot', {
      captureBeyondViewport: false,
    });
    return Buffer.from(data, 'base64');
  }

  /** What axe-core finds serious or critical: rules with the elements that break them. */
  async seriousFaults(): Promise<string[]> {
    const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    await this.evaluate(`${axe}; undefined`);
    // what fades in is judged when it is there
    await this.evaluate(`Promise.allSettled(document.getAnimations()
      .filter(({ effect }) => effect.getTiming().iterations !== Infinity)
      .map(({ finished }) => finished)).then(() => undefined)`);
    return this.evaluate(`axe.run(document).then(({ violations }) => violations
      .filter(({ impact }) => ['serious', 'critical'].includes(impact))
      .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => id + ': ' + html.slice(0, 200) + ' ' + failureSummary)))`);
  }
}
