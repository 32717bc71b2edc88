import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { temporaryFolder } from '../support.js';
import { type TinyServer, tinyServer } from './tiny_server.js';

const folder = temporaryFolder();
process.env.LAVIS_CACHE_ROOT = join(folder, 'cache');

interface Failure {
  error: { code: string; message: string; found?: string };
}

describe('what is sent to harm the server', () => {
  let tiny: TinyServer;
  before(async () => {
    tiny = await tinyServer(folder, {
      fixtures: ['tiny_caption', 'tiny_itm'],
      photos: join(folder, 'itm'),
      limits: { bodyBytes: 2 ** 20, bodyTime: 1500, pixels: 50_000_000 },
    });
  });
  after(() => tiny.server.end());

  /** It lives, and answers as before. */
  async function stillWorks(): Promise<void> {
    const answer = await tiny.post('/v1/caption', { image: tiny.image('tiny_caption', 0) });
    assert.equal(answer.status, 200);
  }

  async function refused(answer: Response, status: number, code: string, found?: RegExp): Promise<void> {
    const body = (await answer.json()) as Failure;
    assert.equal(answer.status, status, JSON.stringify(body));
    assert.equal(body.error.code, code);
    if (found) assert.match(`${body.error.message} ${body.error.found}`, found);
  }

  const caption = (image: Uint8Array) =>
    tiny.post('/v1/caption', { image: Buffer.from(image).toString('base64') });

  it('a picture of 100 megapixels in a small file is refused by its header', async () => {
    const size = { width: 10_000, height: 10_000, channels: 3 as const, background: '#fff' };
    const png = await sharp({ create: size }).png({ compressionLevel: 9 }).toBuffer();
    await refused(await caption(png), 413, 'too_large', /10000 x 10000 pixels/);
    await stillWorks();
  });

  it('a header that claims more pixels than there are is refused or fails alone', async () => {
    await refused(await caption(pngOf(60_000, 60_000)), 413, 'too_large');
    await refused(await caption(pngOf(6_000, 6_000)), 422, 'unreadable_image');
    await stillWorks();
  });

  it('what is no picture, is cut short, or is a drawing that names files is refused', async () => {
    const jpeg = await sharp({ create: { width: 640, height: 640, channels: 3, background: '#123' } })
      .jpeg()
      .toBuffer();
    const svg = '<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>';
    for (const bytes of [
      Buffer.from('hello'),
      Buffer.alloc(0),
      jpeg.subarray(0, jpeg.length - 60),
      Buffer.from(svg),
    ]) {
      const answer = await caption(bytes);
      await refused(
        answer,
        bytes.length === 0 ? 400 : 422,
        bytes.length === 0 ? 'bad_request' : 'unreadable_image',
      );
    }
    await stillWorks();
  });

  it('one broken picture of a batch fails alone', async () => {
    const cut = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#f00' } })
      .png()
      .toBuffer();
    const answers = await Promise.all([
      tiny.post('/v1/caption', { image: tiny.image('tiny_caption', 0) }),
      caption(cut.subarray(0, cut.length - 40)),
      tiny.post('/v1/caption', { image: tiny.image('tiny_caption', 1) }),
    ]);
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 422, 200],
    );
  });

  it('bodies that are no JSON, of another type, compressed, too large or too deep are refused', async () => {
    const post = (body: string | Buffer, type: string, headers: Record<string, string> = {}) =>
      fetch(`${tiny.url}/v1/caption`, {
        method: 'POST',
        body: body as string,
        headers: { 'content-type': type, ...headers },
      });
    await refused(await post('{"image": ', 'application/json'), 400, 'bad_request', /not JSON/);
    await refused(await post(Buffer.from([0xff, 0xfe, 0x7b]), 'application/json'), 400, 'bad_request');
    await refused(await post('image=1', 'application/x-www-form-urlencoded'), 415, 'unsupported_media_type');
    await refused(await post('x', 'text/plain'), 415, 'unsupported_media_type');
    const gzip = { 'content-encoding': 'gzip' };
    await refused(await post('x', 'application/json', gzip), 415, 'unsupported_media_type');
    await refused(await post(`"${'a'.repeat(2 ** 21)}"`, 'application/json'), 413, 'too_large');
    await refused(await post('['.repeat(500_000), 'application/json'), 400, 'bad_request');
    await refused(await post('{"__proto__": {"image": "aGk="}}', 'application/json'), 400, 'bad_request');
    await stillWorks();
  });

  it('fields that are unknown, of another type or out of bounds are named', async () => {
    const image = tiny.image('tiny_caption', 0);
    const cases: [object, RegExp][] = [
      [{ image, num_beams: 1000 }, /num_beams/],
      [{ image, num_beams: '3' }, /num_beams/],
      [{ image, max_lenght: 3 }, /max_lenght/],
      [{ image: 'not base64!' }, /base64/],
      [{ image: 7 }, /image/],
      [{}, /image/],
      [{ image, max_length: 150 }, /maxLength is out of range/],
      [{ image, num_beams: 1, num_captions: 3 }, /numReturnSequences/],
      [{ image, model: 'other' }, /no model of this name/],
    ];
    for (const [body, found] of cases)
      await refused(await tiny.post('/v1/caption', body), 400, 'bad_request', found);
  });

  it('forms that are broken, too long or have other files are refused', async () => {
    const image = Buffer.from(tiny.image('tiny_caption', 0), 'base64').toString('latin1');
    const part = (name: string, value: string, file = '') =>
      `--b\r\ncontent-disposition: form-data; name="${name}"${file}\r\n\r\n${value}\r\n`;
    const picture = part('image', image, '; filename="../../etc/passwd"');
    const post = (body: string, type = 'multipart/form-data; boundary=b') =>
      fetch(`${tiny.url}/v1/caption`, {
        method: 'POST',
        body: Buffer.from(body, 'latin1'),
        headers: { 'content-type': type },
      });
    await refused(await post(picture), 400, 'bad_request', /form cannot be read/); // without its end
    await refused(await post('', 'multipart/form-data'), 400, 'bad_request', /form cannot be read/);
    await refused(await post('garbage'), 400, 'bad_request');
    await refused(await post(`${picture}${picture}--b--\r\n`), 400, 'bad_request', /more than one file/);
    const fields = Array.from({ length: 400 }, (_, i) => part(`f${i}`, 'x')).join('');
    await refused(await post(`${fields}--b--\r\n`), 400, 'bad_request', /more than/);
    await refused(
      await post(`${part('prompt', 'x'.repeat(100_000))}--b--\r\n`),
      400,
      'bad_request',
      /too long/,
    );
    await refused(await post(`${part('other', 'x', '; filename="a"')}--b--\r\n`), 400, 'bad_request');
    assert.equal((await post(`${picture}--b--\r\n`)).status, 200); // the name of a file is nobody's path
  });

  it('photos are those of the list: no path leads elsewhere', async () => {
    for (const path of [
      '../model.yaml',
      '/etc/passwd',
      '0.png/../pixels.json',
      'pixels.json',
      '..\\x',
      '0.png\0',
    ]) {
      const answer = await fetch(`${tiny.url}/v1/photos?${new URLSearchParams({ path })}`);
      await refused(answer, 404, 'not_found');
    }
    for (const path of [
      '/../package.json',
      '/%2e%2e/package.json',
      '/v1',
      '/v1/constructor',
      '//',
      '/v1/caption/',
    ]) {
      await refused(await fetch(tiny.url + path), 404, 'not_found');
    }
    await refused(await fetch(`${tiny.url}/v1/caption`), 405, 'method_not_allowed');
  });

  it('a page of another site gets nothing: other names, other origins', async () => {
    const asked = (headers: Record<string, string>) =>
      new Promise<number | undefined>((done) => {
        const port = new URL(tiny.url).port;
        request({ port, path: '/v1/models', headers }, (answer) => {
          answer.resume();
          done(answer.statusCode);
        }).end();
      });
    assert.equal(await asked({ host: 'elsewhere.example' }), 403);
    assert.equal(await asked({ origin: 'https://elsewhere.example' }), 403);
    assert.equal(await asked({ origin: 'null' }), 403);
    assert.equal(await asked({ origin: tiny.url, host: new URL(tiny.url).host }), 200);
    const answer = await fetch(`${tiny.url}/v1/models`);
    assert.equal(answer.headers.get('access-control-allow-origin'), null);
  });

  /** What comes back for bytes that are sent as they are. */
  const raw = (text: string) =>
    new Promise<string>((done) => {
      const socket = connect(Number(new URL(tiny.url).port), '127.0.0.1', () => socket.write(text));
      let all = '';
      socket.on('data', (chunk) => {
        all += chunk;
      });
      socket.on('error', () => {}).on('close', () => done(all));
    });
  const head = 'POST /v1/caption HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n';

  it('slow clients are told so, and let go', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => raw(`${head}content-length: 1000\r\n\r\n{"image":`)),
    );
    for (const answer of answers) {
      assert.match(answer, /^HTTP\/1\.1 408 /);
      assert.match(answer, /"request_timeout"/);
    }
    await stillWorks();
  });

  it('what is not HTTP, and headers without end, are refused', async () => {
    assert.match(await raw('hello\r\n\r\n'), /^HTTP\/1\.1 400 [\s\S]*"this is not HTTP"/);
    assert.match(await raw(`${head}x: ${'y'.repeat(100_000)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
    await stillWorks();
  });

  it('a client that goes while its caption is written ends the writing', async () => {
    const gone = new AbortController();
    const answer = await fetch(`${tiny.url}/v1/caption`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        image: tiny.image('tiny_caption', 0),
        num_beams: 16,
        max_length: 60,
        stream: true,
      }),
      signal: gone.signal,
    });
    const reader = answer.body!.getReader();
    while (!Buffer.from((await reader.read()).value ?? []).includes('"text"'));
    gone.abort();
    const metrics = async () => (await fetch(`${tiny.url}/metrics`)).text();
    while (!/lavis_requests_cancelled_total [1-9]/.test(await metrics()));
    await stillWorks();
    assert.match(await metrics(), /lavis_requests_running 0/);
  });

  it('clients that go before they are answered leave nothing behind', async () => {
    const body = JSON.stringify({ image: tiny.image('tiny_caption', 0) });
    for (let i = 0; i < 20; i++) {
      const socket = connect(Number(new URL(tiny.url).port), '127.0.0.1', () => {
        socket.write(`${head}content-length: ${body.length}\r\n\r\n${body}`, () => socket.destroy());
      });
      socket.on('error', () => {});
    }
    await stillWorks();
    const text = await (await fetch(`${tiny.url}/metrics`)).text();
    assert.match(text, /lavis_queue_length 0/);
  });
});

/** A PNG whose header claims a size, with a few bytes of pixels. */
function pngOf(width: number, height: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const chunk = (type: string, data: Buffer) => {
    const named = Buffer.concat([Buffer.from(type), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(named));
    return Buffer.concat([length, named, sum]);
  };
  const parts = [
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.alloc(100))),
    chunk('IEND', Buffer.alloc(0)),
  ];
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...parts]);
}

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
