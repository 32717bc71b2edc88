import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { DataError } from '#src/common/errors.js';
import { type DownloadOptions, downloadFile, ensureFile } from '#src/fetch/download.js';
import { temporaryFolder } from '../support.js';
import { fileServer, type Handler, serve, serveSome } from './file_server.js';

const folder = temporaryFolder();
const body = Buffer.alloc(300_000, 'not quite random ').fill('tail', 200_000);
const md5 = createHash('md5').update(body).digest('hex');
const sha256 = createHash('sha256').update(body).digest('hex');
const QUICK: DownloadOptions = { backoffMs: 5, stallMs: 400 };
const inTurn =
  (...handlers: Handler[]): Handler =>
  (request, response, nth) =>
    handlers[Math.min(nth, handlers.length - 1)](request, response, nth);

const server = await fileServer({
  '/whole': serve(body),
  '/cut': inTurn(serveSome(body, 100_000, 'break'), serveSome(body, 50_000, 'break'), serve(body)),
  '/stall': inTurn(serveSome(body, 100_000, 'silence'), serve(body)),
  '/changed': inTurn(serveSome(Buffer.alloc(400_000, 'x'), 100_000, 'break', '"v0"'), serve(body)),
  '/no-ranges': inTurn(serveSome(body, 100_000, 'break'), (_, response) => {
    response.writeHead(200, { 'content-length': body.length, etag: '"v1"' }).end(body);
  }),
  '/other-range': inTurn(serveSome(body, 100_000, 'break'), (request, response, nth) => {
    if (nth > 1) return serve(body)(request, response, nth);
    response
      .writeHead(206, { 'content-range': `bytes 0-9/${body.length}`, etag: '"v1"' })
      .end(body.subarray(0, 10));
  }),
  '/says-more': (_, response) => {
    response.writeHead(200, { 'content-length': body.length + 1000 });
    response.write(body, () => setTimeout(() => response.destroy(), 20));
  },
  '/says-less': (_, response) => {
    response.socket!.end(
      `HTTP/1.1 200 OK\r\ncontent-length: 1000\r\nconnection: close\r\n\r\n${body.toString('latin1')}`,
    );
  },
  '/no-length': (_, response) => {
    response.writeHead(200);
    response.write(body.subarray(0, 1000));
    response.end(body.subarray(1000));
  },
  '/no-length-cut': (_, response) => {
    response.writeHead(200);
    response.write(body.subarray(0, 1000), () => setTimeout(() => response.destroy(), 20));
  },
  '/corrupt': serve(Buffer.from(body).fill('?', 5, 6)),
  '/corrupt-once': inTurn(serve(Buffer.from(body).fill('?', 5, 6)), serve(body)),
  '/moved': (_, response) => void response.writeHead(302, { location: '/moved/again' }).end(),
  '/moved/again': (_, response) => void response.writeHead(307, { location: './../whole' }).end(),
  '/loop': (_, response) => void response.writeHead(302, { location: '/loop' }).end(),
  '/to-file': (_, response) => void response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
  '/page': (_, response) =>
    void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>log in</html>'),
  '/busy': inTurn((_, response) => void response.writeHead(503, { 'retry-after': '0' }).end(), serve(body)),
  '/broken': (_, response) => void response.writeHead(500).end(),
  '/gzip': (_, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
});

const requestsFor = (url: string) => server.seen.filter((one) => one.url === url);

let count = 0;
/** A path of its own for each download. */
const somewhere = () => join(folder, `case-${count++}`, 'file.bin');

async function fails(url: string, options: DownloadOptions, expected: RegExp): Promise<string> {
  const path = somewhere();
  await assert.rejects(downloadFile(server.url + url, path, { ...QUICK, ...options }), (thrown) => {
    assert.ok(thrown instanceof DataError, String(thrown));
    assert.match(thrown.message, expected);
    assert.ok(thrown.message.includes(server.url + url), 'the URL is named');
    return true;
  });
  assert.ok(!existsSync(path), 'a partial file is never taken for a whole one');
  return path;
}

async function arrives(url: string, options: DownloadOptions = {}): Promise<string> {
  const path = somewhere();
  await downloadFile(server.url + url, path, { ...QUICK, ...options });
  assert.ok(readFileSync(path).equals(body));
  assert.deepEqual(await readdir(join(path, '..')), ['file.bin'], 'nothing else is left behind');
  return path;
}

test('a file arrives whole, with its progress told', async () => {
  const told: (number | undefined)[][] = [];
  await arrives('/whole', { sha256, progress: (...numbers) => told.push(numbers) });
  assert.deepEqual(told.at(-1), [body.length, body.length]);
});

test('a connection that is cut is taken up where it broke', async () => {
  await arrives('/cut', { md5 });
  const [first, second, third, ...more] = requestsFor('/cut');
  assert.deepEqual([first.range, first.ifRange, more.length], [undefined, undefined, 0]);
  // What was sent last before a break may be lost with the connection; what arrived is never asked for again.
  const starts = [second, third].map(({ range }) => Number(/^bytes=(\d+)-$/.exec(range!)![1]));
  assert.ok(starts[0] > 0 && starts[0] <= 100_000, `${starts}`);
  assert.ok(starts[1] >= starts[0] && starts[1] <= starts[0] + 50_000, `${starts}`);
  assert.deepEqual([second.ifRange, third.ifRange], ['"v1"', '"v1"']);
});

test('a server that falls silent is given up and asked again', async () => {
  await arrives('/stall', { sha256 });
  assert.equal(requestsFor('/stall').length, 2);
});

test('a file that changed meanwhile is fetched anew', async () => {
  await arrives('/changed');
});
test('a server that knows no ranges sends everything again', async () => {
  await arrives('/no-ranges', { md5 });
});
test('a range that was not asked for is not glued on', async () => {
  await arrives('/other-range', { md5 });
});
test('a file of unknown length arrives', async () => {
  await arrives('/no-length', { md5 });
});
test('redirects are followed', async () => {
  await arrives('/moved', { md5 });
});
test('a busy server is asked again', async () => {
  await arrives('/busy', { md5 });
});
test('a file that arrives corrupt is fetched once more', async () => {
  await arrives('/corrupt-once', { md5 });
});

test('what a server sends beyond or below what it announced is no whole file', async () => {
  await fails('/says-more', { attempts: 2 }, /connection (broke|ended) after 300000 of 301000 bytes/);
  await fails('/says-less', { attempts: 2, md5 }, /md5 sum is|connection broke/);
  await fails('/no-length-cut', { attempts: 2 }, /connection broke after 1000 bytes/);
});

test('a file that stays corrupt is refused with both sums', async () => {
  const path = await fails(
    '/corrupt',
    { sha256 },
    new RegExp(`the sha256 sum is [0-9a-f]{64}, not ${sha256}`),
  );
  assert.deepEqual(await readdir(join(path, '..')), []);
});

test('what cannot be mended is told at once', async () => {
  await fails('/absent', {}, /answers 404 \(there is no such file\)/);
  await fails('/page', {}, /web page/);
  await fails('/gzip', {}, /gzip, unasked/);
  await fails('/loop', {}, /redirects more than 10 times/);
  await fails('/to-file', {}, /redirects to 'file:/);
  assert.equal(requestsFor('/absent').length, 1);
});

test('a server that keeps failing is asked as often as allowed', async () => {
  await fails('/broken', { attempts: 3 }, /answers 500; given up after 3 attempts/);
  assert.equal(requestsFor('/broken').length, 3);
});

test('without a network the message names the address, the path and the option', async () => {
  const gone = await fileServer({});
  await gone.close();
  const path = somewhere();
  await assert.rejects(
    ensureFile({
      url: `${gone.url}/v.txt`,
      path,
      what: 'the vocabulary',
      option: 'model.tokenizer=FILE',
      ...QUICK,
    }),
    (thrown: Error) => {
      for (const part of [
        'the vocabulary',
        `${gone.url}/v.txt`,
        path,
        'model.tokenizer=FILE',
        'no connection',
      ]) {
        assert.ok(thrown.message.includes(part), `${part} in ${thrown.message}`);
      }
      return thrown instanceof DataError;
    },
  );
});

test('a later process carries a partial file on', async () => {
  const path = somewhere();
  const url = `${server.url}/whole`;
  await assert.rejects(downloadFile(`${server.url}/absent`, path, QUICK));
  writeFileSync(`${path}.part`, body.subarray(0, 123_456));
  writeFileSync(`${path}.part.json`, JSON.stringify({ url, validator: '"v1"', total: body.length }));
  await downloadFile(url, path, { ...QUICK, sha256 });
  assert.ok(readFileSync(path).equals(body));
  assert.equal(requestsFor('/whole').at(-1)!.range, 'bytes=123456-');
});

test('a process killed in the middle leaves a part that the next one completes', async () => {
  const half: Handler = (request, response, nth) =>
    nth === 0
      ? serveSome(body, 150_000, 'silence')(request, response, nth)
      : serve(body)(request, response, nth);
  const once = await fileServer({ '/killed': half });
  const path = somewhere();
  const code = `
    import { downloadFile } from '#src/fetch/download.js';
    await downloadFile(process.argv[1], process.argv[2], { progress: (n) => n >= 150_000 && console.log('half') });`;
  const args = ['--input-type=module', '-e', code, `${once.url}/killed`, path];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
  assert.ok(!existsSync(path) && existsSync(`${path}.part`) && existsSync(`${path}.lock`));
  await downloadFile(`${once.url}/killed`, path, { ...QUICK, sha256 });
  assert.equal(once.seen[1].range, 'bytes=150000-');
  assert.deepEqual(await readdir(join(path, '..')), ['file.bin']);
});

test('a part that is whole already, or of another address, is seen for what it is', async () => {
  const url = `${server.url}/whole`;
  for (const [part, from] of [
    [body, url],
    [Buffer.alloc(1000), `${server.url}/another`],
  ] as const) {
    const path = somewhere();
    await assert.rejects(downloadFile(`${server.url}/absent`, path, QUICK));
    writeFileSync(`${path}.part`, part);
    writeFileSync(`${path}.part.json`, JSON.stringify({ url: from, validator: '"v1"' }));
    await downloadFile(url, path, QUICK);
    assert.ok(readFileSync(path).equals(body));
  }
});

test('processes that want the same file fetch it once', async () => {
  const slow: Handler = (request, response, nth) =>
    void setTimeout(() => serve(body)(request, response, nth), 300);
  const single = await fileServer({ '/slow': slow });
  const path = somewhere();
  const code = `
    import { downloadFile } from '#src/fetch/download.js';
    await downloadFile(process.argv[1], process.argv[2], { backoffMs: 5 });`;
  const run = () =>
    new Promise<number | null>((resolve) => {
      const args = ['--input-type=module', '-e', code, `${single.url}/slow`, path];
      spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] }).on('exit', resolve);
    });
  assert.deepEqual(await Promise.all([run(), run(), run()]), [0, 0, 0]);
  assert.equal(single.seen.length, 1);
  assert.ok(readFileSync(path).equals(body));
});

test('a proxy is used where HTTP_PROXY names one', async () => {
  const asked: string[] = [];
  const proxy = createServer().on('connect', (request, socket, head) => {
    asked.push(request.url!);
    const [host, port] = request.url!.split(':');
    const upstream = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    socket.on('error', () => upstream.destroy());
    upstream.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  after(() => {
    proxy.close();
    proxy.closeAllConnections();
  });
  const saved = { ...process.env };
  process.env.http_proxy = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  process.env.no_proxy = '';
  try {
    await arrives('/whole');
  } finally {
    process.env = saved;
  }
  assert.deepEqual(asked, [server.url.slice('http://'.length)]);
});

test('a folder that nothing can be written into is told, with the variable that names another', {
  skip: existsSync('/sys/kernel') ? false : 'there is no folder here that is closed to everybody',
}, async () => {
  await assert.rejects(downloadFile(`${server.url}/whole`, '/sys/kernel/file.bin', QUICK), (thrown) => {
    assert.ok(thrown instanceof DataError, String(thrown));
    assert.match(thrown.message, /\/sys\/kernel\/file\.bin[\s\S]*LAVIS_CACHE_ROOT=FOLDER/);
    return true;
  });
});
