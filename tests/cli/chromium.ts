import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const chromium = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser'].find(
  (path) => path && existsSync(path),
);

export const noChromium = chromium ? false : 'Chromium is not installed';

/** The document of a page after its scripts have run for so long, as HTML. */
export async function renderedDocument(url: string, milliseconds = 4000): Promise<string> {
  const profile = mkdtempSync(join(tmpdir(), 'lavis-chromium-'));
  const flags = [
    ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
    ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
    ...[`--user-data-dir=${profile}`, '--window-size=1280,800'],
    ...[`--virtual-time-budget=${milliseconds}`, '--dump-dom', url],
  ];
  const browser = spawn(chromium!, flags, { stdio: ['ignore', 'pipe', 'ignore'], timeout: 60_000 });
  try {
    let text = '';
    for await (const chunk of browser.stdout) text += chunk;
    return text;
  } finally {
    browser.kill();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
