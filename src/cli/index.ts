import yargs, { type Argv } from 'yargs';
import { LavisError, messageOf, RunInterrupted } from '../common/errors.js';
import { log } from '../common/logging.js';
import { version } from '../common/paths.js';
import { isLaunched } from '../common/world.js';
import { type Command, STDIN_ARGUMENT, UsageError } from './command.js';
import { commandOf, commands, type ListedCommand } from './commands.js';
import { explainUsage, refuseUnknownCommand, YARGS_STRINGS } from './usage.js';

/**
 * Runs one command line.
 * @param argv what follows `lavis`.
 * @returns the exit code: 0, 1 for a failure, 2 for a command line that cannot be understood.
 */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    return await run(argv);
  } catch (thrown) {
    return report(thrown, argv);
  }
}

async function run(argv: readonly string[]): Promise<number> {
  refuseUnknownCommand(argv);
  let code = 0;
  // the shell asks for completions of a whole command line, `lavis` included
  const called = commandOf(argv[0] === '--get-yargs-completions' ? argv.slice(2) : argv);
  const command = await called?.load();
  const parser = yargs(withStdin(argv, command))
    .scriptName('lavis')
    .usage('$0 <command>\n\nTrain, evaluate and run BLIP from a YAML file.')
    .version(version())
    .alias('help', 'h')
    .alias('version', 'v')
    .locale('en')
    .updateStrings(YARGS_STRINGS)
    .parserConfiguration({
      'camel-case-expansion': false,
      'strip-aliased': true,
      'dot-notation': false,
      'boolean-negation': false,
    })
    .wrap(Math.min(120, process.stdout.columns || 120))
    .exitProcess(false)
    .showHelpOnFail(false)
    .strict()
    .demandCommand(1, '')
    .epilogue(
      `${examplesText([
        [
          'lavis train --cfg-path projects/blip/train/caption_shapes.yaml',
          'learns a small task from scratch',
        ],
        ['lavis caption photo.jpg --model blip_caption --model-type base_coco', 'captions a photo'],
        ['lavis init my-project', 'writes a project of your own to begin with'],
      ])}\n\nlavis <command> --help shows the options of a command, and examples.`,
    )
    .fail((message, error) => {
      // yargs's own complaints come as a message, some as a YError too
      if (error && error.name !== 'YError') throw error;
      throw new UsageError(explainUsage(message ?? error?.message ?? '', called, command, argv));
    });
  for (const listed of commands) {
    if (listed === called && command) {
      parser.command({
        command: listed.command,
        describe: listed.describe,
        builder: (sub) => describe(sub, listed, command),
        handler: async (args) => {
          checkValues(command, args);
          code = (await command.handler(args as never)) ?? 0;
        },
      });
    } else parser.command(listed.command, listed.describe);
  }
  parser.completion('completion', 'Print a script for shell completion: lavis completion >> ~/.bashrc');
  if (argv.length === 0) {
    parser.showHelp('log');
    return 2;
  }
  await parser.parseAsync();
  return code;
}

/**
 * A lone `-`, which yargs drops where it stands for an argument, under another name. As an option's value it stays.
 */
function withStdin(argv: readonly string[], command: Command | undefined): string[] {
  const options = command?.options ?? {};
  return argv.map((word, i) => {
    const before = argv[i - 1] ?? '';
    const isValue =
      before.startsWith('--') && options[before.slice(2)]?.type !== 'boolean' && before !== '--';
    return word === '-' && !isValue ? STDIN_ARGUMENT : word;
  });
}

/** yargs makes NaN of what is not a number, and a list of an option that is given twice. @throws UsageError */
function checkValues({ options }: Command, args: Record<string, unknown>): void {
  for (const [name, { type, array }] of Object.entries(options)) {
    const value = args[name];
    if (Array.isArray(value) && !array) {
      throw new UsageError(
        `--${name} is given ${value.length} times: ${value.join(', ')}; it takes one value`,
      );
    }
    if (type !== 'number' || value === undefined || (Number.isInteger(value) && Number(value) >= 0)) continue;
    throw new UsageError(
      `--${name} is a whole number, at least 0, not ${Number.isNaN(value) ? 'a text' : value}`,
    );
  }
}

function describe(sub: Argv, listed: ListedCommand, command: Command): Argv {
  sub.usage(`$0 ${listed.command} [options]\n\n${listed.describe}.`).options(command.options);
  for (const [name, positional] of Object.entries(command.positionals ?? {}))
    sub.positional(name, positional);
  return sub.epilogue([examplesText(command.examples), command.epilogue].filter(Boolean).join('\n\n'));
}

/** One line each, so that they can be copied. */
function examplesText(examples: Command['examples']): string {
  return ['Examples:', ...examples.map(([line, what]) => `  ${line}\n      ${what}`)].join('\n');
}

/** Prints an error as its reader needs it. */
async function report(thrown: unknown, argv: readonly string[]): Promise<number> {
  const [name] = argv;
  log.status('');
  if (thrown instanceof RunInterrupted) {
    log.info(thrown.message);
    return thrown.exitCode;
  }
  const command = commandOf(argv);
  const usage = thrown instanceof UsageError;
  const help = command ? `lavis ${name} --help` : 'lavis --help';
  const message = usage ? `lavis: ${thrown.message}\n  help:    ${help}\n` : textOf(thrown);
  if (!(await leftToLauncher(message))) log.print(message);
  return usage ? 2 : 1;
}

/** A worker's launcher prints what several workers say alike once. */
async function leftToLauncher(message: string): Promise<boolean> {
  if (!isLaunched()) return false;
  const { leaveToLauncher } = await import('../distributed/index.js');
  return leaveToLauncher(message);
}

function textOf(thrown: unknown): string {
  if (process.env.LAVIS_DEBUG === '1' && thrown instanceof Error) return `${thrown.stack}\n`;
  if (thrown instanceof LavisError) return `${thrown.name}: ${thrown.message}\n`;
  return `lavis: ${messageOf(thrown)}\n  help:    LAVIS_DEBUG=1 shows where\n`;
}
