import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { log } from '#src/common/logging.js';
import { downloadProgress } from '#src/common/progress.js';

describe('the progress of a download', () => {
  const { isTTY, write } = process.stderr;
  const term = process.env.TERM;
  let written = '';
  const onTerminal = (terminal: boolean) => {
    written = '';
    process.env.TERM = 'xterm';
    process.stderr.isTTY = terminal;
    process.stderr.write = ((text: string) => {
      written += text;
      return true;
    }) as typeof process.stderr.write;
  };
  after(() => {
    Object.assign(process.stderr, { isTTY, write });
    process.env.TERM = term;
  });

  test('is the status line of a terminal: messages stand above it, and nothing of it stays', () => {
    onTerminal(true);
    const progress = downloadProgress('weights.pth');
    progress(0, 100);
    log.info('Something else');
    progress(100, 100);
    process.stderr.write = write;
    const CLEAR = '\r\x1b[K';
    const lines = written.split(CLEAR).slice(1);
    assert.match(lines[0], /^weights\.pth: 0 bytes of 100 bytes/);
    assert.equal(lines[1], `Something else\n${lines[0]}`);
    assert.match(lines[2], /^weights\.pth: 100 bytes of 100 bytes, [^\n]*\n$/);
    assert.equal(lines.length, 3);
  });

  test('is a line for every tenth in a log', () => {
    onTerminal(false);
    const progress = downloadProgress('weights.pth');
    for (let i = 0; i <= 100; i++) progress(i, 100);
    process.stderr.write = write;
    assert.equal(written.trim().split('\n').length, 10);
    assert.doesNotMatch(written, /\r/);
  });
});
