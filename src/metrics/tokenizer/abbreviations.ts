import type { Rule } from './pattern.js';
import {
  blank,
  blankOrNewline,
  char,
  either,
  many,
  maybe,
  oneOf,
  type Pattern,
  seq,
  some,
  text,
} from './pattern.js';
import { tag } from './web.js';

/** Words that are abbreviations only when they begin with a capital: "Ill." is a state, "ill." a sentence's end. */
const capitalized = (words: string): Pattern =>
  either(
    ...words
      .trim()
      .split(/\s+/)
      .map((w) => seq(char(new RegExp(w[0])), text(w.slice(1)))),
  );

/** Before a capital these end a sentence as well. */
const mayEndSentence: Pattern = seq(
  either(
    oneOf('Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec Mon Tue Tues Wed Thu Thurs Fri'),
    oneOf('Ala Ariz Calif Colo Conn Ct Dak Fla Ga Ind Kan Kans Ky Md Mich Minn Mo Mont Neb Nev Okla Penn'),
    oneOf('Tenn Va Vt Wis Wisc Wyo'),
    capitalized('Az Ark Del Ill La Mass Miss Ore Pa Tex Wash'),
    oneOf('Inc Co Cos Corp Pte Ptes Pty Ptys Ppte Pptes Ppty Pptys'),
    oneOf('Ltd Plc Rt Bancorp Bhd Assn Univ Intl Sys'),
    oneOf('tel est ext sq Jr Sr Bros Ed.D Ph.D Blvd Rd Esq etc al seq Bldg'),
  ),
  text('.'),
);

const dotted = (atLeast: (p: Pattern) => Pattern): Pattern =>
  either(
    seq(char(/[A-Za-z]/), atLeast(seq(text('.'), char(/[A-Za-z]/)))),
    seq(oneOf('Canada Sino Korean EU Japan non'), text('-U.S')),
    oneOf('U.S.-U.K U.S.-U.S.S.R'),
  );
/** u.s, with two letters or more. */
export const acronym = dotted(some);
/** Single letters too: "J." */
const initials = dotted(many);

/** Before a name: these never end a sentence. */
const beforeNames: Pattern = either(
  oneOf('Mr Mrs Ms Dr Drs Prof Profs Sen Sens Rep Reps Atty Attys Lt Col Gen Messrs Gov Govs Adm Rev Maj'),
  oneOf('Sgt Cpl Pvt Capt St Ste Ave Pres Lieut Hon Brig Cmdr Comdr Pfc Spc Supt Supts Det Mt Ft Adj Adv'),
  oneOf('Asst Assoc Ens Insp Mlle Mme Msgr Sfc vs Alex Wm Jos Cie a.k.a cf TREAS Ph'),
  oneOf('Invt Elec Natl Mfg Mtg Dept'),
  capitalized('Miss'),
  initials,
);

/** Capitalized words that tell that the acronym before them ended a sentence. */
const starters = capitalized(`
  About According Additionally After An A As At But Earlier He Her Here However If In It Last Many More Mr.
  Ms. Now Once One Other Our She Since So Some Such That The Their Then There These They This We When While
  What Yet You`);

const anything = char(/[\s\S]/);
const withItsPeriod = (t: string) => t;

export const abbreviations: Rule[] = [
  {
    // "in the U.S. The man": the period belongs to both; "vitamin C. The man": only to the sentence.
    match: seq(initials, text('.')),
    before: seq(some(blankOrNewline), either(starters, tag), blankOrNewline),
    token: (t) => (t.length === 2 ? t.slice(0, 1) : t),
    giveBack: 1,
  },
  {
    match: oneOf('ca. fig. figs. prop. no. nos. art. bldg. pp. op.'),
    before: seq(maybe(blankOrNewline), char(/\p{Nd}/u)),
  },
  { match: either(seq(oneOf('pte pty'), text('.')), text('co.')), before: seq(blank, oneOf('ltd lim')) },
  {
    match: mayEndSentence,
    before: seq(blankOrNewline, either(blankOrNewline, char(/\p{Lu}/u), tag)),
    token: withItsPeriod,
    giveBack: 1,
  },
  { match: mayEndSentence, before: seq(anything, anything) },
  { match: mayEndSentence, token: withItsPeriod, giveBack: 1 },
  { match: seq(beforeNames, text('.')) },
  { match: beforeNames, before: blank },
  { match: initials, before: blankOrNewline },
];
