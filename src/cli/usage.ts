import { didYouMean, nearest } from '../common/suggest.js';
import { type Command, UsageError } from './command.js';
import { commandOf, commands, type ListedCommand, nameOf } from './commands.js';

const both = (text: string) => ({ one: text, other: text });

/**
 * What yargs says of a wrong command line, as marks of ours around the names in it: nobody reads its English, which
 * may change. (Its own `recommendCommands` knows no options.)
 */
export const YARGS_STRINGS = {
  'Missing required argument: %s': both('missing %s'),
  'Unknown argument: %s': both('unknown %s'),
  'Not enough arguments following: %s': 'valueless %s',
  'Not enough non-option arguments: got %s, need at least %s': both('few %s'),
  'Invalid values:': 'choice',
  'Argument: %s, Given: %s, Choices: %s': '%s is %s; there are: %s',
} as unknown as Record<string, string>; // its types know no plurals

/** @throws UsageError where a command line begins with what is neither a command nor an option of `lavis` alone */
export function refuseUnknownCommand(argv: readonly string[]): void {
  const [word] = argv;
  if (word === undefined || commandOf(argv)) return;
  const alone = ['--help', '-h', '--version', '-v', '--get-yargs-completions'];
  if (word === 'completion' || alone.includes(word)) return;
  const names = commands.map(nameOf);
  if (word.startsWith('-')) throw new UsageError(`no option is named '${word}' before a command`);
  const close = didYouMean(word, [...names, 'completion']);
  throw new UsageError(
    `no command is named '${word}'${close ? ` (${close})` : ''}; there are: ${names.join(', ')}`,
  );
}

/**
 * A mark of `YARGS_STRINGS` as a sentence, with what may have been meant.
 * @param listed, command what was called
 */
export function explainUsage(
  mark: string,
  listed: ListedCommand | undefined,
  command: Command | undefined,
  argv: readonly string[],
): string {
  const [, kind, rest = ''] = /^(\w+)\s*(.*)$/s.exec(mark) ?? [];
  const names = rest.split(', ');
  const options = Object.keys(command?.options ?? {});
  switch (kind) {
    case 'missing': {
      const typed = argv.filter((word) => /^--\w/.test(word) && !options.includes(word.slice(2)));
      const meant = typed.filter((word) => names.includes(nearest(word.slice(2), names)[0]));
      const instead = meant.length > 0 ? `, not ${meant.join(', ')}` : '';
      return `${names.map((name) => `--${name}`).join(', ')} is needed${instead}`;
    }
    case 'unknown': {
      const tooMany = names.filter((word) => !word.startsWith('-') && argv.includes(word));
      const known = [...options, 'help', 'version'].map((option) => `--${option}`);
      const unknown = names
        .filter((word) => !tooMany.includes(word))
        .map((name) => {
          const typed = argv.find((word) => word.replace(/^--?/, '').split('=')[0] === name) ?? name;
          const option = typed.split('=')[0];
          const close = didYouMean(option, known);
          return `'${option}'${close ? ` (${close})` : ''}`;
        });
      const sentences = [
        unknown.length > 0 ? `no option is named ${unknown.join(', ')}` : '',
        tooMany.length > 0 ? `more arguments than the command takes: ${tooMany.join(', ')}` : '',
      ];
      return sentences.filter(Boolean).join('; ');
    }
    case 'valueless':
      return `--${rest} needs a value`;
    case 'few':
      return `an argument is missing: lavis ${listed?.command}`;
    case 'choice':
      return rest.replace(/^\s*([\w-]+)(?= is )/gm, (line, name) =>
        options.includes(name) ? line.replace(name, `--${name}`) : line,
      );
    default:
      return mark || 'a command is needed';
  }
}
