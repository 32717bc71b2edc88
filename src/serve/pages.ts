import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { packageRoot } from '../common/paths.js';
import type { Answer } from './respond.js';

/** The page may load what this server has, shows pictures of its own making, and nothing else. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
};

/** The demo's page and its files, by the paths that they are served at. */
export function demoPages(): ReadonlyMap<string, Answer> {
  const folder = join(packageRoot, 'pages');
  const file = (...parts: string[]): Answer => ({
    type: TYPES[extname(parts.at(-1)!)],
    body: readFileSync(join(folder, ...parts)),
    headers: { 'content-security-policy': POLICY },
  });
  const files = readdirSync(join(folder, 'demo')).filter((name) => extname(name) in TYPES);
  return new Map([
    ['/', file('demo', 'index.html')],
    ['/page.css', file('page.css')],
    ...files.map((name) => [`/demo/${name}`, file('demo', name)] as const),
  ]);
}
