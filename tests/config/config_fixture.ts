import { Registry } from '#src/common/registry.js';
import { fixture } from '../support.js';

/** A registry with the reference's default files, under classes that carry nothing else. */
export function referenceRegistry(): Registry {
  const registry = new Registry();
  const file = (...parts: string[]) => fixture('config', 'configs', ...parts);
  const dataset = (...parts: string[]) =>
    Object.assign(class {}, { defaultConfigs: { default: file('datasets', ...parts) } });
  const add = (kind: 'builder' | 'model', name: string, value: unknown) => {
    const register = kind === 'model' ? registry.registerModel(name) : registry.registerBuilder(name);
    (register as (value: unknown) => void)(value);
  };
  add(
    'model',
    'blip_caption',
    Object.assign(class {}, {
      defaultConfigs: {
        base_coco: file('models', 'blip_caption_base_coco.yaml'),
        large_coco: file('models', 'blip_caption_large_coco.yaml'),
      },
    }),
  );
  add('builder', 'coco_caption', dataset('coco', 'defaults_cap.yaml'));
  add('builder', 'flickr30k_caption', dataset('flickr30k', 'defaults_cap.yaml'));
  add('builder', 'nocaps', dataset('nocaps', 'defaults.yaml'));
  return registry;
}
