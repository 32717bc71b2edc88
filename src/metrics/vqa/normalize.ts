/** How the official VQA scorer compares answers: github.com/GT-Vision-Lab/VQA, vqaEval. */

const PUNCTUATION = [...';/[]"{}()=+\\_-><@`,?!'];
const ARTICLES = new Set(['a', 'an', 'the']);
const DIGITS = new Map(
  ['none', 'zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'].map(
    (word, i) => [word, String(Math.max(i - 1, 0))],
  ),
);
/** The scorer gives a flag where a count belongs: as many full stops are taken out, and no more. */
const MOST_FULL_STOPS = 32;

/** Words that are mended where one of their apostrophes is missing. */
const CONTRACTIONS = `
ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've
he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've needn't not've
o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll somebody's
someone'd someone'd've someone'll someone's something'd something'd've something'll that's there'd there'd've
there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's
what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't would've
wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've`
  .trim()
  .split(/\s+/);

const MENDED = new Map([
  ...CONTRACTIONS.flatMap((word) => misspellings(word).map((wrong) => [wrong, word] as const)),
  ["somebody'd", 'somebodyd'] as const, // the wrong way round in the scorer, and kept: scores are compared
]);

/** The word without one of its apostrophes, each in turn. */
function misspellings(word: string): string[] {
  return [...word.matchAll(/'/g)].map(({ index }) => word.slice(0, index) + word.slice(index + 1));
}

/** A predicted answer as it is compared. */
export function normalizeAnswer(answer: string): string {
  return normalizeWords(normalizePunctuation(answer.replace(/[\n\t]/g, ' ').trim()));
}

/**
 * Punctuation removed where it stands beside a space anywhere in the text, or where the text has a number such
 * as 10,000; else it becomes a space. Full stops go unless a digit follows.
 */
export function normalizePunctuation(text: string): string {
  const hasThousands = /\d,\d/.test(text);
  let result = text;
  for (const mark of PUNCTUATION) {
    const removed = hasThousands || text.includes(`${mark} `) || text.includes(` ${mark}`);
    result = result.replaceAll(mark, removed ? '' : ' ');
  }
  let stops = 0;
  return result.replace(/\.(?!\d)/g, (stop) => (stops++ < MOST_FULL_STOPS ? '' : stop));
}

/** Lower case, number words as digits, no articles, contractions with their apostrophes, single spaces. */
export function normalizeWords(text: string): string {
  return text
    .toLowerCase()
    .split(/\s+/)
    .map((word) => DIGITS.get(word) ?? word)
    .filter((word) => word !== '' && !ARTICLES.has(word))
    .map((word) => MENDED.get(word) ?? word)
    .join(' ');
}
