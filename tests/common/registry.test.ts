import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '#src/common/errors.js';
import { Registry } from '#src/common/registry.js';

const anyClass = class {} as never;

test('a registered class is found by its name', () => {
  const registry = new Registry();
  registry.registerTask('captioning')(anyClass);
  assert.equal(registry.getTaskClass('captioning'), anyClass);
  assert.deepEqual(registry.listTasks(), ['captioning']);
});

test('a name registered twice is refused', () => {
  const registry = new Registry();
  registry.registerModel('blip_caption')(anyClass);
  assert.throws(() => registry.registerModel('blip_caption')(anyClass), ConfigError);
});

test('an unknown name lists the nearest ones', () => {
  const registry = new Registry();
  registry.registerModel('blip_caption')(anyClass);
  assert.throws(() => registry.getModelClass('blip_captoin'), /did you mean 'blip_caption'\?/);
  assert.throws(() => registry.getModelClass('blip'), /did you mean 'blip_caption'\?/);
});

test('paths are registered once and found by name', () => {
  const registry = new Registry();
  registry.registerPath('cache_root', '/cache');
  assert.equal(registry.getPath('cache_root'), '/cache');
  assert.throws(() => registry.registerPath('cache_root', '/other'), /registered twice/);
  assert.throws(() => registry.getPath('cash_root'), /did you mean 'cache_root'/);
});
