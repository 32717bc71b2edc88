import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { ptbTokenize, ptbTokenizeLines } from '#src/metrics/index.js';
import { fixture, fixtureJson } from '../support.js';

/**
 * Captions and their tokens, by the rule they show. The rules are those that Stanford documents for the
 * Penn Treebank tokenizer (version 3.4.1, default options), the tokens lower-cased and without punctuation.
 */
const claims: Record<string, [caption: string, tokens: string][]> = {
  'words are split at blanks and lower-cased': [
    ['A man riding a wave', 'a man riding a wave'],
    ['  two   dogs\tplay ', 'two dogs play'],
    ['A CAT', 'a cat'],
    ['', ''],
    ['   ', ''],
    ['a\u00A0dog\u2003runs\u3000fast', 'a dog runs fast'],
    ['a dog\nruns\r\nfast', 'a dog runs fast'],
  ],
  'punctuation is dropped': [
    ['A dog, a cat; and a bird: all sleep.', 'a dog a cat and a bird all sleep'],
    ['Look at that! Really?', 'look at that really'],
    ['a dog , a cat .', 'a dog a cat'],
    ['a man - a plan -- a canal', 'a man a plan a canal'],
    ['wait... what', 'wait what'],
    ['wait… what', 'wait what'],
    ['wait . . . what', 'wait what'],
    ['a dog – no — a cat', 'a dog no a cat'],
    ['one---two----three', 'one two three'],
  ],
  'runs that no rule names are tokens of their own': [
    ['what?!', 'what ?!'],
    ['run!!', 'run !!'],
    ['a dog..', 'a dog'],
    ['a ----- b', 'a ----- b'],
    ['***', '***'],
    ['a ** b', 'a ** b'],
  ],
  'clitics leave their word': [
    ["it's a dog", "it 's a dog"],
    ["the dog's bowl", "the dog 's bowl"],
    ["the dogs' bowl", 'the dogs bowl'],
    ["I'm they're we've he'd she'll", "i 'm they 're we 've he 'd she 'll"],
    ["SHE'S HERE", "she 's here"],
    ['it’s the dog’s', "it 's the dog 's"],
    ['it&apos;s', "it 's"],
    ["1990's cars", "1990 's cars"],
    ["that'd", "that 'd"],
    ["who's", "who 's"],
  ],
  "n't leaves its verb": [
    ["a man who doesn't", "a man who does n't"],
    ["don't can't won't isn't", "do n't ca n't wo n't is n't"],
    ["DON'T", "do n't"],
    ['don’t', "do n't"],
    ["ain't", "ai n't"],
    ["it couldn't've been", "it could n't 've been"],
  ],
  'assimilated words are split': [
    ['you cannot see', 'you can not see'],
    ['gonna gotta wanna lemme gimme', 'gon na got ta wan na lem me gim me'],
    ["'tis a dog", "'t is a dog"],
    ["'twas a dog", "'t was a dog"],
    ['wannabe', 'wannabe'],
  ],
  'some words hold an apostrophe': [
    ["rock 'n' roll", "rock 'n' roll"],
    ["rock'n'roll", "rock 'n' roll"],
    ["ol' man", "ol' man"],
    ["get 'em", "get 'em"],
    ["o'clock", "o'clock"],
    ["O'Brien", "o'brien"],
    ["a bag of s'mores", "a bag of s'mores"],
    ["ma'am", "ma'am"],
    ["the '90s", "the '90s"],
    ["summer of '84 here", "summer of '84 here"],
    ["y'all", "y' all"],
    ["c'mon", "c'mon"],
    ["d'Angelo", "d'angelo"],
    ["'til dawn", "'til dawn"],
  ],
  'quotes are dropped, whichever way they lean': [
    ['a sign that says "stop"', 'a sign that says stop'],
    ["a sign that says 'stop'", 'a sign that says stop'],
    ['a “big” dog', 'a big dog'],
    ['a ‘big’ dog', 'a big dog'],
    ["a ``big'' dog", 'a big dog'],
    ['a «big» dog', 'a big dog'],
    ['"stop."', 'stop'],
    ['a 12" pizza', 'a 12 pizza'],
    ['&quot;stop&quot;', 'stop'],
    ['a „big“ dog', 'a „ big dog'],
  ],
  'brackets have names, and lower-cased they stay': [
    ['a dog (brown)', 'a dog -lrb- brown -rrb-'],
    ['[a] {b}', '-lsb- a -rsb- -lcb- b -rcb-'],
    ['a < b > c', 'a < b > c'],
    ['a &lt; b &gt; c', 'a < b > c'],
    ['a << b >> c', 'a << b >> c'],
  ],
  'hyphenated words stay whole': [
    ['a black-and-white photo', 'a black-and-white photo'],
    ['a t-shirt', 'a t-shirt'],
    ['a 3-piece suit', 'a 3-piece suit'],
    ['a five-year-old boy', 'a five-year-old boy'],
    ['a snow-covered hill', 'a snow-covered hill'],
    ['a pre-1950 car', 'a pre-1950 car'],
    ['a café-bar', 'a café-bar'],
    ['snow_board', 'snow_board'],
    ['a dog- no', 'a dog no'],
    ['a -dog', 'a dog'],
    ['anti-U.S. signs', 'anti-u.s. signs'],
    ['anti-war', 'anti-war'],
  ],
  'slashes join plain words and part others': [
    ['a cat and/or dog', 'a cat and/or dog'],
    ['black/white tie', 'black/white tie'],
    ['he/she/they', 'he/she/they'],
    ['a / b', 'a / b'],
    ['w/ a dog', 'w / a dog'],
    ['café/bar', 'café / bar'],
  ],
  'abbreviations keep their period': [
    ['Mr. Smith and Mrs. Jones', 'mr. smith and mrs. jones'],
    ['St. Bernard', 'st. bernard'],
    ['the u.s. flag', 'the u.s. flag'],
    ['the U.S. flag', 'the u.s. flag'],
    ['the U.S flag', 'the u.s flag'],
    ['5 p.m. or 6 a.m.', '5 p.m. or 6 a.m.'],
    ['e.g. a dog', 'e.g. a dog'],
    ['cats, dogs, etc.', 'cats dogs etc.'],
    ['cats, dogs, etc., play', 'cats dogs etc. play'],
    ['Dr. J. Brown', 'dr. j. brown'],
    ['vitamin C. It is', 'vitamin c it is'],
    ['in the U.S. The man', 'in the u.s. the man'],
    ['Washington D.C. at night', 'washington d.c. at night'],
    ['Acme Inc. truck', 'acme inc. truck'],
    ['Jan. 5', 'jan. 5'],
    ['no. 5 and no. yes', 'no. 5 and no yes'],
    ['a Ph.D. student', 'a ph.d. student'],
    ['dogs vs. cats', 'dogs vs. cats'],
    ['Bldg. 7', 'bldg. 7'],
  ],
  'states are abbreviations where they begin with a capital': [
    ['a man in Ill. today', 'a man in ill. today'],
    ['a man who is ill. today', 'a man who is ill today'],
    ['the Mass. coast', 'the mass. coast'],
    ['a big mass. here', 'a big mass here'],
  ],
  'a period inside a word does not part it': [
    ['a dog.the cat', 'a dog.the cat'],
    ['Hello!World', 'hello!world'],
    ['a dog. the cat', 'a dog the cat'],
    ['a word., then', 'a word. then'],
  ],
  'numbers stay whole': [
    ['1,000 people', '1,000 people'],
    ['3.5 miles', '3.5 miles'],
    ['.5 miles', '.5 miles'],
    ['-5 degrees', '-5 degrees'],
    ['at 10:30', 'at 10:30'],
    ['10:30am', '10:30 am'],
    ['12/25/2014', '12/25/2014'],
    ['12-25-14', '12-25-14'],
    ['the 1st and 2nd', 'the 1st and 2nd'],
    ['the 1920s', 'the 1920s'],
    ['a 747', 'a 747'],
    ['50% off', '50 % off'],
    ['24x7', '24x7'],
    ['7,', '7'],
    ["5'10 tall", "5 '10 tall"],
    ['m² 10²', 'm ² 10 ²'],
  ],
  'phone numbers stay whole, with hard spaces': [
    ['call 555-1234', 'call 555-1234'],
    ['call (555) 555-1234', 'call -lrb-555-rrb-\u00A0555-1234'],
    ['call 555.123.4567 now', 'call 555.123.4567 now'],
  ],
  'fractions stay whole, with a hard space': [
    ['1/2 cup', '1/2 cup'],
    ['1 1/2 cups', '1\u00A01/2 cups'],
    ['1-1/2 cups', '1-1/2 cups'],
    ['½ cup', '1/2 cup'],
    ['¼ and ¾ and ⅓ and ⅔', '1/4 and 3/4 and 1/3 and 2/3'],
    ['⅝ cup', '⅝ cup'],
  ],
  'currency signs leave their number, and become the Treebank’s': [
    ['$5 bill', '$ 5 bill'],
    ['$1,000.50', '$ 1,000.50'],
    ['US$5', 'us$ 5'],
    ['£5', '# 5'],
    ['€10', '$ 10'],
    ['5¢', '5 cents'],
    ['¥100', '¥ 100'],
    ['#1 fan', '# 1 fan'],
  ],
  'ampersands join capitals': [
    ['an AT&T sign', 'an at&t sign'],
    ['a B&B', 'a b&b'],
    ['salt & pepper', 'salt & pepper'],
    ['salt &amp; pepper', 'salt & pepper'],
    ['rock&roll', 'rock & roll'],
    ['C++ and C#', 'c++ and c#'],
  ],
  'letters of any script make words': [
    ['a café with jalapeños', 'a café with jalapeños'],
    ['crème brûlée', 'crème brûlée'],
    ['cafe\u0301', 'cafe\u0301'],
    ['ein Straßenschild in Köln', 'ein straßenschild in köln'],
    ['привет мир', 'привет мир'],
    ['日本 の 猫', '日本 の 猫'],
    ['caf&eacute;', 'caf&eacute;'],
    ['a snow\u00ADboard', 'a snowboard'],
  ],
  'symbols stand alone, and what is unknown vanishes': [
    ['a + b = c', 'a + b = c'],
    ['100°F', '100 ° f'],
    ['a ★ b', 'a ★ b'],
    ['a \u2022 b', 'a \u2022 b'],
    ['a dog 😀', 'a dog'],
    ['a😀b', 'a b'],
    ['a\u200Bb', 'a b'],
    ['a & b * c', 'a & b * c'],
    ['a ~ b ^ c', 'a ~ b ^ c'],
  ],
  'emoticons are one token before anything but a letter or digit': [
    ['a dog :-) here', 'a dog :--rrb- here'],
    ['a dog :( here', 'a dog :-lrb- here'],
    ['a dog :D here', 'a dog :d here'],
    ['a dog ;) :P', 'a dog ;-rrb- :p'],
    ['a dog ^_^ here', 'a dog ^_^ here'],
    ['<3', '< 3'],
    ['a dog :)', 'a dog :-rrb-'],
    ['a dog :Duck', 'a dog duck'],
  ],
  'addresses, handles and file names stay whole': [
    ['see http://www.flickr.com/photos/1 now', 'see http://www.flickr.com/photos/1 now'],
    ['see https://a.b/c?d=e.', 'see https://a.b/c?d=e'],
    ['see www.google.com now', 'see www.google.com now'],
    ['see flickr.com now', 'see flickr.com now'],
    ['mail foo@bar.com now', 'mail foo@bar.com now'],
    ['by @user_1 today', 'by @user_1 today'],
    ['a #sunset today', 'a #sunset today'],
    ['photo.jpg shows', 'photo.jpg shows'],
    ['@ home', '@ home'],
  ],
  'markup stays whole, with hard spaces': [
    ['a <b>dog</b>', 'a <b> dog </b>'],
    ['a dog<br />', 'a dog <br\u00A0/>'],
    ['a&nbsp;dog', 'a dog'],
    ['a dog &mdash; a cat', 'a dog a cat'],
  ],
};

for (const [claim, table] of Object.entries(claims)) {
  test(claim, () => {
    for (const [caption, tokens] of table) assert.equal(ptbTokenize(caption).join(' '), tokens, caption);
  });
}

test("4,252 tricky captions get the tokens of Stanford's own program", () => {
  const lines = (name: string) => readFileSync(fixture('ptb', name), 'utf8').split('\n').slice(0, -1);
  const { punctuations } = fixtureJson<{ punctuations: string[] }>('metrics', 'ptb_punctuation.json');
  const [captions, stanford] = [lines('captions.txt'), lines('tokens.txt')];
  assert.equal(captions.length, 4252);
  assert.equal(stanford.length, captions.length);
  const actual = ptbTokenizeLines(captions);
  const wrong = captions.flatMap((caption, i) => {
    const expected = stanford[i].split(' ').filter((token) => token && !punctuations.includes(token));
    return expected.join(' ') === actual[i].join(' ') ? [] : [{ caption, expected, actual: actual[i] }];
  });
  assert.deepEqual(wrong, []);
});

test('captions are lines of one text: what follows a letter and a period tells them apart', () => {
  const tokens = (next: string) => ptbTokenizeLines(['a big letter B.', next])[0].at(-1);
  assert.equal(tokens('The man'), 'b', 'a sentence ends before a word that begins one');
  assert.equal(tokens('the man'), 'b.', 'and an initial stands elsewhere');
});

test('at the very end of a text an emoticon or a clitic lacks what has to follow', () => {
  assert.deepEqual(
    ptbTokenizeLines(['a dog :)', 'a dog :)']).map((tokens) => tokens[2]),
    [':-rrb-', '-rrb-'],
  );
  assert.deepEqual(
    ptbTokenizeLines(["they're", "they're"]).map((tokens) => tokens[1]),
    ["'re", 're'],
  );
});

test('every caption of a batch keeps its own tokens', () => {
  const captions = Object.values(claims).flatMap((table) => table.map(([caption]) => caption));
  const batch = ptbTokenizeLines(captions);
  assert.equal(batch.length, captions.length);
  const alone = captions.map(ptbTokenize);
  // The last word's period, or an emoticon at the end, may be read otherwise before another line.
  for (const [i, tokens] of batch.entries()) {
    assert.deepEqual(tokens.slice(0, -1), alone[i].slice(0, tokens.length - 1), captions[i]);
  }
});

test('punctuation of the reference’s list never comes out', () => {
  const { punctuations } = fixtureJson<{ punctuations: string[] }>('metrics', 'ptb_punctuation.json');
  const dropped = punctuations.filter((token) => !/^-[LR][RC]B-$/.test(token));
  for (const mark of dropped) assert.deepEqual(ptbTokenize(`a dog ${mark} runs`), ['a', 'dog', 'runs'], mark);
});

test('any text makes tokens without blanks, in lower case, and none is punctuation', () => {
  const piece = fc.oneof(
    fc.constantFrom(...Object.values(claims).flatMap((table) => table.map(([caption]) => caption))),
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom(...'aB1.\'"-(/ ,:$&<@') }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 4 }), (pieces) => {
      for (const token of ptbTokenize(pieces.join(' '))) {
        assert.match(token, /^[^ \t\n\r]+$/);
        assert.equal(token, token.toLowerCase());
        assert.ok(!['.', ',', "'", "''", '`', '``', ':', ';', '?', '!', '-', '--', '...'].includes(token));
      }
    }),
    { numRuns: 300 },
  );
});
