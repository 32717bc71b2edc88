import type { Command } from './command.js';

/** A command as the list of all shows it; the rest of it is loaded when it is called. */
export interface ListedCommand {
  /** As yargs reads it: `zoo`, `caption <images..>`. */
  readonly command: string;
  readonly describe: string;
  /**
   * When standard output cannot be written: `end` at once (the default); or finish first, as the work is kept in
   * files too, and `fail`, or `warn` where the output was only a summary.
   */
  readonly whenOutputIsLost?: 'end' | 'fail' | 'warn';
  load(): Promise<Command>;
}

/** In the order that the help lists them. */
export const commands: readonly ListedCommand[] = [
  {
    command: 'train',
    describe: 'Train a model as a YAML says, then test it',
    whenOutputIsLost: 'warn',
    load: async () => (await import('./train.js')).train,
  },
  {
    command: 'eval',
    describe: 'Caption and score the test images of a YAML',
    whenOutputIsLost: 'fail',
    load: async () => (await import('./eval.js')).evaluate,
  },
  {
    command: 'caption <images..>',
    describe: 'Say what is in images, with published weights (--model) or your own (--cfg-path)',
    load: async () => (await import('./caption.js')).caption,
  },
  {
    command: 'ask <images..>',
    describe: 'Answer questions about images, with published weights or your own (--cfg-path)',
    load: async () => (await import('./ask.js')).ask,
  },
  {
    command: 'match <images..>',
    describe: 'Tell how well texts fit images, with published weights or your own (--cfg-path)',
    load: async () => (await import('./match.js')).match,
  },
  {
    command: 'search <folder> [text]',
    describe: "Find a folder's images that show what a text says, or what another image shows",
    load: async () => (await import('./search.js')).search,
  },
  {
    command: 'demo',
    describe: 'Try models on a page of this machine: caption, ask, match, search',
    load: async () => (await import('./demo.js')).demo,
  },
  {
    command: 'serve',
    describe: 'Answer over HTTP: captions, questions, matches, features and search, many requests at once',
    load: async () => (await import('./serve.js')).serve,
  },
  {
    command: 'watch <folder>',
    describe: 'Follow a run live in the browser: curves, scores, newest captions with their photos',
    load: async () => (await import('./watch.js')).watch,
  },
  {
    command: 'report <folder>',
    describe: "Write a run's report.html: curves, scores, images worst first, configuration, environment",
    load: async () => (await import('./report.js')).report,
  },
  {
    command: 'compare <first> <second>',
    describe: 'Set two runs side by side: what differs in their configuration, and what they came to',
    load: async () => (await import('./compare.js')).compare,
  },
  {
    command: 'zoo',
    describe: 'List what is there: architectures, datasets, processors, tasks, runners, schedulers',
    load: async () => (await import('./zoo.js')).zoo,
  },
  {
    command: 'config',
    describe: 'Print the merged configuration of a run',
    load: async () => (await import('./config.js')).config,
  },
  {
    command: 'data',
    describe: 'Look at the data of a run: counts, lengths, faults, and what the model will see',
    load: async () => (await import('./data.js')).data,
  },
  {
    command: 'download [names..]',
    describe: 'Fetch data, weights or vocabularies into the cache, sizes told first',
    load: async () => (await import('./download.js')).download,
  },
  {
    command: 'cache',
    describe: 'List what runs remember of images (run.cache_image_embeds), or clear it',
    load: async () => (await import('./cache.js')).cache,
  },
  {
    command: 'convert <in> <out>',
    describe:
      "Write the weights of a checkpoint as .pth, .safetensors, or a folder for Hugging Face's transformers",
    load: async () => (await import('./convert.js')).convert,
  },
  {
    command: 'export <checkpoint> <folder>',
    describe: 'Write a captioner for browsers and ONNX Runtime',
    load: async () => (await import('./export.js')).exportCommand,
  },
  {
    command: 'init <folder>',
    describe: 'Write a project that runs: a YAML, pictures and their captions',
    load: async () => (await import('./init.js')).init,
  },
  {
    command: 'setup <part>',
    describe: 'Make an engine ready that does not come with the package: CUDA',
    load: async () => (await import('./setup.js')).setup,
  },
  {
    command: 'doctor',
    describe: 'Check this machine: Node, engines and their speed, MPI, Java, cache, network',
    load: async () => (await import('./doctor.js')).doctor,
  },
];

export const nameOf = ({ command }: ListedCommand) => command.split(' ')[0];

/** The command that a command line names; undefined where there is none of its name. */
export const commandOf = ([name]: readonly string[]) =>
  commands.find((candidate) => nameOf(candidate) === name);
