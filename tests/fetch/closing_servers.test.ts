import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { downloadFile } from '#src/fetch/download.js';
import { temporaryFolder } from '../support.js';

const folder = temporaryFolder();
const body = Buffer.alloc(4_000_000, 'some bytes of a file, ').fill('end', 3_000_000);
const sha256 = createHash('sha256').update(body).digest('hex');
/** Of each kind; LAVIS_DOWNLOAD_TRIES=200 for a long run. */
const TRIES = Number(process.env.LAVIS_DOWNLOAD_TRIES ?? 20);

/** How a server ends a connection, given the bytes that are asked for; `nth` counts its requests. */
type Ending = (socket: Socket, head: string, bytes: Buffer, nth: number) => void;

const ENDINGS: Record<string, Ending> = {
  // As Python's http.server: HTTP/1.0, closed behind the body while the client may still be writing it.
  'that close behind every body': (socket, head, bytes) => {
    socket.write(head.replace('HTTP/1.1', 'HTTP/1.0'));
    socket.end(bytes);
  },
  'that close in the middle of a body, or an idle connection': (socket, head, bytes, nth) => {
    socket.write(head);
    if (nth % 2 === 0) socket.end(bytes.subarray(0, Math.ceil(bytes.length / 2)));
    else socket.write(bytes, () => setTimeout(() => socket.end(), 1));
  },
  'that reset connections': (socket, head, bytes, nth) => {
    socket.write(head);
    if (nth % 2 === 0) {
      socket.write(bytes.subarray(0, Math.ceil(bytes.length / 2)), () => socket.resetAndDestroy());
    } else socket.write(bytes, () => setTimeout(() => socket.resetAndDestroy(), 50));
  },
};

for (const [kind, end] of Object.entries(ENDINGS)) {
  test(`${TRIES} files arrive whole from servers ${kind}`, async () => {
    let requests = 0;
    const server = createServer((socket) => {
      let asked = '';
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        asked += chunk.toString('latin1');
        if (!asked.endsWith('\r\n\r\n')) return;
        const start = Number(/^range: bytes=(\d+)-/im.exec(asked)?.[1] ?? 0);
        const rest = body.subarray(start);
        const range = start > 0 ? `Content-Range: bytes ${start}-${body.length - 1}/${body.length}\r\n` : '';
        const status = start > 0 ? '206 Partial Content' : '200 OK';
        const head = `HTTP/1.1 ${status}\r\n${range}Content-Length: ${rest.length}\r\nETag: "v1"\r\n\r\n`;
        asked = '';
        end(socket, head, rest, requests++);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    after(() => server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/file`;
    for (let n = 0; n < TRIES; n++) {
      const path = join(folder, 'file.bin');
      await downloadFile(url, path, { sha256, backoffMs: 1, attempts: 20, stallMs: 10_000 });
      rmSync(path);
    }
    assert.ok(requests >= TRIES, `${requests}`);
  });
}
