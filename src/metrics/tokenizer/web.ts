import {
  blankOrNewline,
  char,
  digit,
  either,
  letter,
  many,
  maybe,
  oneOf,
  type Pattern,
  type Rule,
  seq,
  some,
  text,
  times,
  withHardSpaces,
  withPlainAmpersand,
} from './pattern.js';

const nameStart = char(/[A-Za-z]/);
const name = seq(nameStart, many(char(/[A-Za-z0-9_:.-]/)));
const spaces = many(text(' '));
const quoted = either(
  seq(text("'"), many(char(/[^']/)), text("'")),
  seq(text('"'), many(char(/[^"]/)), text('"')),
);
const attribute = seq(some(text(' ')), name, maybe(seq(spaces, text('='), spaces, quoted)));
/** <b>, </b>, <br />, <a href="…">, <!-- … > */
export const tag: Pattern = seq(
  text('<'),
  either(
    seq(char(/[!?]/), char(/[A-Za-z-]/), many(char(/[^>\r\n]/))),
    seq(name, many(attribute), spaces, maybe(text('/'))),
    seq(text('/'), name),
  ),
  spaces,
  text('>'),
);
export const markup: Rule = { match: tag, token: withHardSpaces };
export const ampersandEntity: Rule = { match: text('&amp;'), token: withPlainAmpersand };
export const otherEntity: Rule = {
  match: seq(
    text('&'),
    either(oneOf('HT TL UR LR QC QL QR odq cdq'), seq(text('#'), some(char(/[0-9]/)))),
    text(';'),
  ),
};

const beyondUrl = /[^ \t\n\f\r"<>|(){}]/;
const lastOfUrl = char(/[^ \t\n\f\r"<>|.!?(){},-]/);
const fullUrl = seq(text('http'), maybe(text('s')), text('://'), some(char(beyondUrl)), lastOfUrl);
const likelyUrl = seq(
  either(
    seq(text('www.'), some(seq(some(char(/[^ \t\n\f\r"<>|.!?(){},]/)), text('.'))), times(nameStart, 2, 4)),
    // Digits and capitals are no part of a bare host name.
    seq(some(seq(some(char(/[^ \t\n\f\r"`'<>|.!?(){},-_$]/)), text('.'))), oneOf('com net org edu')),
  ),
  maybe(seq(text('/'), some(char(/[^ \t\n\f\r"<>|()]/)), lastOfUrl)),
);
const afterAt = char(/[^ \t\n\f\r"<>|(){}.\u00A0]/);
const email = seq(
  maybe(either(text('&lt;'), text('<'))),
  char(/[a-zA-Z0-9]/),
  many(char(/[^ \t\n\f\r"<>|()\u00A0{}]/)),
  text('@'),
  many(seq(some(afterAt), text('.'))),
  some(afterAt),
  maybe(either(text('&gt;'), text('>'))),
);
const handle = seq(text('@'), char(/[a-zA-Z_]/), many(char(/[a-zA-Z_0-9]/)));
const hashtag = seq(text('#'), some(letter));
export const addresses: Rule[] = [
  { match: fullUrl },
  { match: likelyUrl },
  { match: email },
  { match: either(handle, hashtag) },
];

const letterOrDigits = some(either(letter, digit));
export const fileName: Rule = {
  match: seq(
    letterOrDigits,
    many(seq(text('.'), letterOrDigits)),
    text('.'),
    oneOf(`bat bmp c class cgi cpp dll doc docx exe gif gz h htm html jar java jpeg jpg mov mp3 pdf php pl png
      ppt ps py sql tar txt wav x xml zip`),
  ),
  before: either(blankOrNewline, char(/[.?!,]/)),
};
