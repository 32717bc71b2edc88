import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, extname, join, parse, resolve } from 'node:path';
import { deceptiveIn } from '../../config/index.js';
import { isImageFile } from './image_id.js';

/** A file that a name may have meant. */
export interface NearMiss {
  /** The whole sentence: which file is there, and how its name differs. */
  found: string;
  /** What mends it. */
  help?: string;
}

const ADDRESS = /^(https?|ftp|s3|gs|hf):\/\//i;

/**
 * Why `image` is not found in `folder`, where a file of nearly that name is: another case, another Unicode
 * form, backslashes, blanks, a slash in front, no extension or another, folders too many or too few, an
 * address. Undefined where nothing is near.
 */
export function nearMiss(folder: string, image: string): NearMiss | undefined {
  if (ADDRESS.test(image)) return anAddress(folder, image);
  if (image.startsWith('data:')) {
    return {
      found: 'the image itself is embedded in the file (data:…)',
      help: 'write it to a file and name that file',
    };
  }
  const plain = cleaned(image);
  const parent = resolve(folder, '..');
  const inParent = walk(parent, plain) ?? walk(process.cwd(), plain);
  if (inParent && plain.includes('/')) {
    const storage = inParent.slice(0, -plain.length - 1) || '/';
    if (join(storage, plain) === inParent && plain === image) {
      return {
        found: `${inParent} is there: '${image}' already begins with the folder`,
        help: `images.storage=${storage}, or take '${dirname(plain)}/' off the names`,
      };
    }
  }
  // The whole path in the folder, then less and less of its front: paths of another machine end alike.
  const parts = plain.split('/').filter((part) => part !== '');
  for (let first = 0; first < parts.length; first++) {
    const there = walk(folder, parts.slice(first).join('/'));
    if (there)
      return { found: `${there} is there: ${differences(image, there.slice(folder.length + 1), first)}` };
  }
  const below = inSubfolder(folder, parts.at(-1) ?? '');
  if (!below) return undefined;
  return { found: `${below} is there: the name lacks the folder in front` };
}

function anAddress(folder: string, image: string): NearMiss {
  const name = decoded(basename(new URL(image).pathname));
  const there = walk(folder, name);
  return {
    found: `'${image}' is an address: images are read from files${there ? `; ${there} is there` : ''}`,
    help: there
      ? 'name the files in place of their addresses'
      : 'fetch the images first, and name their files',
  };
}

/** With slashes, without blanks and quotes around it, `%20` and the like decoded. */
const cleaned = (image: string): string =>
  decoded(
    image
      .trim()
      .replace(/^(["'])(.*)\1$/s, '$2')
      .replace(/^[A-Za-z]:(?=[\\/])/, '')
      .replaceAll('\\', '/')
      .replace(/^file:\/\//, '')
      .trim(),
  );

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/** As two names are compared that look alike. */
const alike = (name: string) =>
  name
    .normalize('NFC')
    .replaceAll(/\p{Cf}/gu, '')
    .toLowerCase()
    .trim()
    .replaceAll(/\s+/g, ' ');
const stemOf = (name: string) => alike(isImageFile(name) ? name.slice(0, -extname(name).length) : name);

/** The file of nearly that path in a folder. */
function walk(folder: string, path: string): string | undefined {
  let at = folder;
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.length === 0) return undefined;
  for (const [i, part] of parts.entries()) {
    if (part === '..') {
      at = dirname(at);
      continue;
    }
    const last = i === parts.length - 1;
    if (existsSync(join(at, part)) && namesIn(at).includes(part)) at = join(at, part);
    else {
      const names = namesIn(at);
      const near =
        names.find((name) => alike(name) === alike(part)) ??
        (last ? names.find((name) => isImageFile(name) && stemOf(name) === stemOf(part)) : undefined);
      if (near === undefined) return undefined;
      at = join(at, near);
    }
  }
  return at;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** A file of that name one folder down. */
function inSubfolder(folder: string, name: string): string | undefined {
  for (const entry of namesIn(folder).slice(0, 1000)) {
    const there = extname(entry) === '' ? walk(join(folder, entry), name) : undefined;
    if (there) return there;
  }
  return undefined;
}

/** How a name that is written differs from one that is there. @param over folders in front that are too many */
function differences(written: string, there: string, over: number): string {
  const told: string[] = [];
  const slashed = written.replaceAll('\\', '/');
  if (slashed !== written) told.push('the path is written with backslashes');
  if (over > 0) told.push('the path has folders in front that are not there');
  else if (slashed.startsWith('/')) told.push('the path begins with a slash, which makes it absolute');
  if (written.trim() !== written) told.push('there is a space before or after the name');
  if (/^(["']).*\1$/s.test(written.trim())) told.push('the name stands in quotes');
  if (/%[0-9a-f]{2}/i.test(written) && !there.includes('%'))
    told.push("the name is encoded as in addresses ('%20')");
  const [a, b] = [parse(slashed.trim()), parse(there)];
  const [nameA, nameB] = [a.base.normalize('NFC'), b.base.normalize('NFC')];
  if (nameA !== nameB) {
    if (nameA.toLowerCase() === nameB.toLowerCase()) told.push('upper and lower case differ');
    else if (!isImageFile(a.base)) told.push(`the extension ${b.ext} is missing`);
    else if (a.ext !== b.ext) told.push(`the extension is ${b.ext}, not ${a.ext}`);
  } else if (alike(slashed) === alike(there) && slashed.normalize('NFC').trim() !== there.normalize('NFC')) {
    told.push('upper and lower case differ');
  }
  if (slashed.normalize('NFC') !== slashed || there.normalize('NFC') !== there) {
    if (!slashed.trim().endsWith(there)) {
      told.push('accents are encoded differently in Unicode (composed, NFC, and decomposed, NFD)');
    }
  }
  const [odd, oddThere] = [deceptiveIn(written.trim()), deceptiveIn(there)];
  if (odd && odd !== oddThere) told.push(`the name holds ${odd}`);
  else if (oddThere && odd !== oddThere) told.push(`the file's name holds ${oddThere}`);
  return told.length > 0 ? told.join('; ') : 'the spaces in the names differ';
}
