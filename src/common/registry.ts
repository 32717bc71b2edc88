import { ConfigError } from './errors.js';
import { didYouMean } from './suggest.js';

/**
 * What a class of each kind looks like. The room that owns a kind adds it here by declaration merging,
 * so that the registry knows every kind's type and imports none of the rooms:
 *
 *     declare module '../common/registry.js' {
 *       interface RegistryKinds { task: TaskClass }
 *     }
 */
// biome-ignore lint/suspicious/noEmptyInterface: filled by declaration merging
export interface RegistryKinds {}

export const KINDS = ['model', 'processor', 'builder', 'task', 'runner', 'lrScheduler', 'hook'] as const;
export type Kind = (typeof KINDS)[number];
type ClassOf<K extends Kind> = K extends keyof RegistryKinds ? RegistryKinds[K] : unknown;
/** The class of a model's name where the models' room tells it, any model's class otherwise. */
type ModelClassOf<N> = RegistryKinds extends { namedModels: infer Named }
  ? N extends keyof Named
    ? Named[N]
    : ClassOf<'model'>
  : ClassOf<'model'>;
type Register<K extends Kind> = <C extends ClassOf<K>>(value: C, context?: ClassDecoratorContext) => void;

const LABEL: Record<Kind, string> = {
  model: 'model architecture',
  processor: 'processor',
  builder: 'dataset',
  task: 'task',
  runner: 'runner',
  lrScheduler: 'learning-rate scheduler',
  hook: 'hook',
};

/** Maps names to classes. Source: lavis/common/registry.py. */
export class Registry {
  readonly #classes = new Map<Kind, Map<string, unknown>>(KINDS.map((kind) => [kind, new Map()]));

  /** Decorator: `@registry.registerModel('blip_vqa')`. @throws ConfigError when the name is taken. */
  registerModel(name: string) {
    return this.#register('model', name);
  }
  registerProcessor(name: string) {
    return this.#register('processor', name);
  }
  registerBuilder(name: string) {
    return this.#register('builder', name);
  }
  registerTask(name: string) {
    return this.#register('task', name);
  }
  registerRunner(name: string) {
    return this.#register('runner', name);
  }
  registerLrScheduler(name: string) {
    return this.#register('lrScheduler', name);
  }
  registerHook(name: string) {
    return this.#register('hook', name);
  }

  /** @throws ConfigError when the name is unknown; the message lists the nearest names. */
  getModelClass<N extends string>(name: N): ModelClassOf<N>;
  getModelClass(name: string): ClassOf<'model'> {
    return this.get('model', name);
  }
  getProcessorClass(name: string): ClassOf<'processor'> {
    return this.get('processor', name);
  }
  getBuilderClass(name: string): ClassOf<'builder'> {
    return this.get('builder', name);
  }
  getTaskClass(name: string): ClassOf<'task'> {
    return this.get('task', name);
  }
  getRunnerClass(name: string): ClassOf<'runner'> {
    return this.get('runner', name);
  }
  getLrSchedulerClass(name: string): ClassOf<'lrScheduler'> {
    return this.get('lrScheduler', name);
  }
  getHookClass(name: string): ClassOf<'hook'> {
    return this.get('hook', name);
  }

  listModels(): string[] {
    return this.list('model');
  }
  listProcessors(): string[] {
    return this.list('processor');
  }
  /** The names of `datasets` sections: those of the builders. */
  listDatasets(): string[] {
    return this.list('builder');
  }
  listTasks(): string[] {
    return this.list('task');
  }
  listRunners(): string[] {
    return this.list('runner');
  }
  listLrSchedulers(): string[] {
    return this.list('lrScheduler');
  }
  listHooks(): string[] {
    return this.list('hook');
  }

  get<K extends Kind>(kind: K, name: string): ClassOf<K> {
    const found = this.#classes.get(kind)!.get(name);
    if (found === undefined) throw unknownName(LABEL[kind], name, this.list(kind));
    return found as ClassOf<K>;
  }

  has(kind: Kind, name: string): boolean {
    return this.#classes.get(kind)!.has(name);
  }

  list(kind: Kind): string[] {
    return [...this.#classes.get(kind)!.keys()].sort();
  }

  #register<K extends Kind>(kind: K, name: string): Register<K> {
    return (value) => {
      const classes = this.#classes.get(kind)!;
      if (classes.has(name)) throw taken(LABEL[kind], name);
      classes.set(name, value);
    };
  }
}

function unknownName(label: string, name: string, known: string[]): ConfigError {
  return new ConfigError(`no ${label} is named '${name}'`, {
    found: [`'${name}'`, didYouMean(name, known)].filter(Boolean).join('; '),
    allowed: known.join(', ') || 'none is registered',
    help: 'lavis zoo lists every name; --plugin FILE registers your own',
  });
}

function taken(label: string, name: string): ConfigError {
  return new ConfigError(`the ${label} name '${name}' is registered twice`, {
    allowed: 'one class a name',
    help: 'give the newer class another name',
  });
}

/** The one registry of this process; classes add themselves when their module is loaded. */
export const registry = new Registry();
