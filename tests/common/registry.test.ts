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
