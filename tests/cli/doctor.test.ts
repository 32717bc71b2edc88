import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Check } from '#src/doctor/checks.js';
import { checkHost, checkNode } from '#src/doctor/checks.js';
import { cardsOnBus, checkGpus } from '#src/doctor/gpus.js';
import { temporaryFolder } from '../support.js';

function doctor(env: Record<string, string>): { status: number | null; checks: Map<string, Check> } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['bin/lavis.js', 'doctor', '--offline', '--json'],
    { env: { ...process.env, ...env }, encoding: 'utf8' },
  );
  assert.ok(stdout.startsWith('['), stderr);
  const checks = JSON.parse(stdout) as Check[];
  return { status, checks: new Map(checks.map((check) => [check.title, check])) };
}

test('doctor measures the engines that are there, and says what to do about the rest', () => {
  const cache = join(temporaryFolder(), 'cache');
  const { status, checks } = doctor({ LAVIS_CACHE_ROOT: cache });
  assert.equal(status, 0);
  const cpu = checks.get('Engine cpu')!;
  assert.equal(cpu.state, 'good');
  assert.match(cpu.text, /ONNX Runtime .*: [\d.e+]+ GFLOP\/s \(\d+ x \d+\); onnxruntime-node 1\.\d+\.\d+/);
  assert.match(checks.get('Cache')!.text, new RegExp(`^${cache}, .* free$`));
  assert.match(checks.get('Node')!.text, /^\d+\.\d+\.\d+, /);
  for (const { title, state, help } of checks.values()) {
    if (state !== 'good') assert.ok(help, `${title} has no help`);
  }
});

test('doctor fails where something has to be mended, with its help', () => {
  const file = join(temporaryFolder(), 'file');
  writeFileSync(file, '');
  const { status, checks } = doctor({ LAVIS_CACHE_ROOT: join(file, 'cache') });
  assert.equal(status, 1);
  assert.equal(checks.get('Cache')!.state, 'bad');
  assert.match(checks.get('Cache')!.help!, /LAVIS_CACHE_ROOT=/);
});

test('an old Node and a host that does not answer have help', async () => {
  assert.equal(checkNode('20.18.1').state, 'bad');
  assert.equal(checkNode('22.1.0').state, 'good');
  const host = await checkHost('nowhere.invalid', 'nothing', 'help for it');
  assert.equal(host.state, 'absent');
  assert.equal(host.help, 'help for it');
});

test('cards on the bus are found without their drivers, and a driver is asked for', async (t) => {
  const folder = temporaryFolder();
  const device = (name: string, kind: string, vendor: string, model: string) => {
    mkdirSync(join(folder, name));
    for (const [file, value] of Object.entries({ class: kind, vendor, device: model }))
      writeFileSync(join(folder, name, file), `${value}\n`);
  };
  device('0000:00:02.0', '0x038000', '0x8086', '0x56c0');
  device('0000:00:03.0', '0x020000', '0x15b3', '0x1019'); // a network card
  assert.deepEqual(await cardsOnBus(folder), [{ vendor: 'Intel', id: '8086:56c0' }]);
  const { PATH } = process.env;
  t.after(() => {
    process.env.PATH = PATH;
  });
  process.env.PATH = ''; // nvidia-smi is not found
  const { text, help } = await checkGpus(folder);
  assert.match(text, /^Intel 8086:56c0/);
  if (process.platform === 'linux') assert.match(help!, /mesa-vulkan-drivers/);
  device('0000:01:00.0', '0x030200', '0x10de', '0x2330');
  const both = await checkGpus(folder);
  assert.match(both.text, /NVIDIA 10de:2330, without NVIDIA's driver|Intel 8086:56c0, NVIDIA 10de:2330/);
  assert.match(both.help!, /NVIDIA's driver/);
  assert.match((await checkGpus(temporaryFolder())).help!, /cpu engine/);
});
