/** Shards as people have them: what is read, what is passed over, what is refused. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import sharp from 'sharp';
import { pack } from 'tar-stream';
import { Rng } from '#src/common/random.js';
import {
  checkSamples,
  type IterableDataset,
  ShardsCaptionBuilder,
  sampleFaults,
  trainSource,
} from '#src/datasets/index.js';
import { DataError } from '#src/index.js';
import { temporaryFolder } from '../support.js';

type Content = string | Buffer;

const JPEG = await sharp({ create: { width: 9, height: 9, channels: 3, background: 'teal' } })
  .jpeg()
  .toBuffer();
const GIF = await sharp(JPEG).gif().toBuffer();

async function tar(members: (readonly [name: string, data: Content, link?: string])[]): Promise<Buffer> {
  const archive = pack();
  for (const [name, data, linkname] of members) {
    if (linkname) archive.entry({ name, type: 'symlink', linkname });
    else archive.entry({ name }, data);
  }
  archive.finalize();
  return buffer(archive);
}

/** `0.jpg` and `0.txt` and so on, with another name for each where it is given. */
const pairs = (n: number, nameOf = (i: number, ext: string) => `${i}.${ext}`) =>
  Array.from({ length: n }, (_, i): [string, Content][] => [
    [nameOf(i, 'jpg'), JPEG],
    [nameOf(i, 'txt'), `caption ${i}\n`],
  ]).flat();

async function build(bytes: Buffer, info: object = {}): Promise<IterableDataset> {
  const path = `${temporaryFolder()}/s.tar`;
  writeFileSync(path, bytes);
  const section = {
    vis_processor: { train: { name: 'blip_image_eval', image_size: 8 } },
    build_info: { storage: path, ...info },
  };
  const { train } = await ShardsCaptionBuilder.fromConfig(section).buildDatasets();
  return train as IterableDataset;
}

/** 'key: caption' of all samples of an epoch, sorted. */
async function read(dataset: IterableDataset): Promise<string[]> {
  const lines: string[] = [];
  for await (const job of dataset.stream({ epoch: 0, seed: 0, rank: 0, worldSize: 1 })) {
    const { image_id, text_input } = await dataset.read(job, Rng.of(0));
    lines.push(`${image_id}: ${text_input}`);
  }
  return lines.sort();
}

/** What is said on standard error. */
async function said(t: TestContext, act: () => Promise<unknown>): Promise<string> {
  const write = t.mock.method(process.stderr, 'write', () => true);
  await act();
  write.mock.restore();
  return write.mock.calls.map(({ arguments: [text] }) => String(text)).join('');
}

const three = ['0: caption 0', '1: caption 1', '2: caption 2'];
const caption = (value: unknown): [string, Content][] => [
  ['0.jpg', JPEG],
  ['0.json', JSON.stringify(value)],
];

const READ: [
  what: string,
  members: (readonly [string, Content, string?])[],
  lines: string[],
  told?: RegExp,
][] = [
  [
    'what macOS writes beside files',
    pairs(3).flatMap(([name, data]): [string, Content][] => [
      [`./._${name}`, 'Mac OS X'],
      [`./${name}`, data],
    ]),
    three,
    /passes over 6 hidden files \(\.\/\._0\.jpg, …\)\n/,
  ],
  [
    'hidden names between the files of a sample',
    pairs(3).flatMap(([name, data]): [string, Content][] => [
      ['.DS_Store', ''],
      ['__MACOSX/0.jpg', 'x'],
      [name, data],
    ]),
    three,
    /12 hidden files/,
  ],
  [
    'files of other programs in a sample',
    pairs(3).flatMap(([name, data]): [string, Content][] => [
      [name.replace(/\..*/, '.cls'), '1'],
      [name, data],
    ]),
    three,
    /passes over 6 \.cls files \(0\.cls, …\)/,
  ],
  [
    'all images before all captions',
    [0, 1].flatMap((part) => pairs(3).filter((_, i) => i % 2 === part)),
    three,
    /s\.tar: the files of a sample do not stand together[\s\S]*tar --sort=name/,
  ],
  [
    'dots in the names',
    pairs(2, (i, ext) => `v1.2/a.b/v1.000${i}.${ext}`),
    ['v1.2/a.b/v1.0000: caption 0', 'v1.2/a.b/v1.0001: caption 1'],
  ],
  [
    'a name for each part',
    pairs(2, (i, ext) => `${i}.${ext === 'jpg' ? 'input' : 'output.en'}.${ext}`),
    three.slice(0, 2),
  ],
  [
    'another image beside',
    [...pairs(2), ['0.mask.png', JPEG], ['1.png', JPEG]],
    three.slice(0, 2),
    /1 further image of a sample \(1\.png\), 1 further file of a sample \(0\.mask\.png\)|1 further file of a sample \(0\.mask\.png\), 1 further image of a sample \(1\.png\)/,
  ],
  ['capital letters', pairs(2, (i, ext) => `${i}.${ext.toUpperCase()}`), three.slice(0, 2)],
  [
    'other kinds of images',
    [
      ['0.gif', GIF],
      ['0.txt', 'caption 0'],
      ['1.jfif', JPEG],
      ['1.txt', 'caption 1'],
    ],
    three.slice(0, 2),
  ],
  [
    'images without a caption',
    [...pairs(2), ['7.jpg', JPEG], ['8.txt', 'x'], ['9.xyz', 'x'], ['9.txt', 'x']],
    three.slice(0, 2),
    /warning: shards_caption train passes over 1 \.xyz file \(9\.xyz\), 1 image without a caption \(7\.jpg\), 2 captions without an image \(8\.txt, …\)/,
  ],
  [
    'links and files without extension',
    [...pairs(1), ['README', 'x'], ['1.jpg', '', '0.jpg'], ['1.txt', '', '0.txt']],
    ['0: caption 0'],
    /1 file without an extension \(README\), 2 links \(1\.jpg, …\)/,
  ],
  [
    'a file twice: the later one counts',
    [...pairs(1), ['0.txt', 'later']],
    ['0: later'],
    /1 earlier file of the same name/,
  ],
  [
    'a byte order mark',
    [
      ['0.jpg', JPEG],
      ['0.txt', '\uFEFFcaption 0'],
    ],
    ['0: caption 0'],
  ],
  [
    'UTF-16',
    [
      ['0.jpg', JPEG],
      ['0.txt', Buffer.from('\uFEFFcaption é', 'utf16le')],
    ],
    ['0: caption é'],
  ],
  ["JSON's key caption", caption({ url: 'x', caption: 'one' }), ['0: one']],
  ["JSON's key text", caption({ text: 'one' }), ['0: one']],
  ["JSON's list of one", caption({ captions: [' one '] }), ['0: one']],
  ['both text and JSON', [...pairs(1), ['0.json', '{"caption": null}']], ['0: caption 0']],
];

for (const [what, members, lines, told] of READ) {
  test(`a shard is read with ${what}`, async (t) => {
    const bytes = await tar(members);
    const text = await said(t, async () => {
      const dataset = await build(bytes);
      assert.equal(dataset.samplesPerEpoch, lines.length);
      assert.deepEqual(await read(dataset), lines);
      assert.deepEqual(await sampleFaults(dataset), []);
    });
    if (told) assert.match(text, told);
    else assert.equal(text, '');
  });
}

test('shards that were written one behind the other are read to the end', async () => {
  const both = [await tar(pairs(1)), await tar(pairs(1, (_, ext) => `b.${ext}`))];
  assert.deepEqual(await read(await build(Buffer.concat(both))), ['0: caption 0', 'b: caption 0']);
});

const refused = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof DataError, String(error));
  assert.match(error.message, message);
  assert.doesNotMatch(error.message, /annotation/);
  return true;
};

const BAD_SAMPLES: [what: string, members: [string, Content][], message: RegExp][] = [
  [
    'an empty text',
    [
      ['0.jpg', JPEG],
      ['0.txt', ''],
    ],
    /a sample's caption is empty/,
  ],
  [
    'a blank text',
    [
      ['0.jpg', JPEG],
      ['0.txt', ' \n'],
    ],
    /a sample's caption is empty/,
  ],
  [
    'the word for nothing',
    [
      ['0.jpg', JPEG],
      ['0.txt', 'nan'],
    ],
    /a sample's caption is empty[\s\S]*the text 'nan'/,
  ],
  ['None in a list of JSON', caption({ caption: ['a', 'None'] }), /caption is empty[\s\S]*'None'/],
  [
    'an empty image',
    [
      ['0.jpg', ''],
      ['0.txt', 'x'],
    ],
    /a sample's image is empty/,
  ],
  [
    'text in Latin-1',
    [
      ['0.jpg', JPEG],
      ['0.txt', Buffer.from('café', 'latin1')],
    ],
    /is not text in UTF-8[\s\S]*0xE9/,
  ],
  ['JSON that is null', caption(null), /not an object/],
  ['JSON that is a list', caption(['a']), /not an object/],
  ['JSON that is a text', caption('a'), /not an object/],
  [
    'JSON that is none',
    [
      ['0.jpg', JPEG],
      ['0.json', '{"caption": "x"'],
    ],
    /not JSON/,
  ],
  ['no key in JSON', caption({ url: 'x' }), /lacks the key 'caption'[\s\S]*url/],
  ['null under the key', caption({ caption: null }), /'caption' is not a caption[\s\S]*null/],
  ['a number under the key', caption({ text: 5 }), /'text' is not a caption[\s\S]*5/],
  ['an empty list', caption({ caption: [] }), /'caption' is not a caption[\s\S]*\[\]/],
  ['a list with null', caption({ caption: ['a', null] }), /'caption' is not a caption/],
  ['a blank text in a list', caption({ caption: ['a', ' '] }), /caption is empty/],
];

for (const [what, members, message] of BAD_SAMPLES) {
  test(`a sample with ${what} is told before the first step, and when it is read`, async () => {
    const dataset = await build(await tar([...members, ['1.jpg', JPEG], ['1.txt', 'good']]));
    assert.equal(dataset.samplesPerEpoch, 2);
    await assert.rejects(checkSamples([dataset], 0), refused(message));
    await assert.rejects(checkSamples([dataset], 0), refused(/s\.tar, 0\b/));
    await checkSamples([dataset], 1);
    await assert.rejects(read(dataset), refused(message));
  });
}

const whole = await tar(pairs(3));
const at = (name: string) => whole.indexOf(`${name}\0`);
const text = (value: string) => Buffer.from(value);
const long = await tar([[`${'deep/'.repeat(40)}0.jpg`, JPEG]]);

const BROKEN: [what: string, bytes: Buffer, message: RegExp][] = [
  ['of no bytes', Buffer.alloc(0), /byte 0\n.*an empty file/],
  [
    'cut in a member',
    whole.subarray(0, at('1.jpg') + 600),
    new RegExp(`byte ${at('1.jpg')}\\n.*'1\\.jpg' has ${JPEG.length} bytes, of which 88 are there`),
  ],
  [
    'cut at a header',
    whole.subarray(0, at('2.jpg')),
    new RegExp(`byte ${at('2.jpg')}\\n.*behind '1\\.txt', without the blocks of zeros`),
  ],
  [
    'cut in a header',
    whole.subarray(0, at('2.jpg') + 100),
    new RegExp(`byte ${at('2.jpg')}\\n.*behind '1\\.txt'`),
  ],
  ['cut in a long name', long.subarray(0, 600), /byte 0\n.*of which 88 are there/],
  [
    'with a damaged header',
    Buffer.concat([whole.subarray(0, at('1.txt')), text('x'), whole.subarray(at('1.txt') + 1)]),
    new RegExp(`byte ${at('1.txt')}\\n.*not a tar header, behind '1\\.jpg'`),
  ],
  ['with other bytes behind its end', Buffer.concat([whole, Buffer.alloc(512, 7)]), /not a tar header/],
  ['of text', text('no tar '.repeat(200)), /byte 0\n.*not a tar header\n/],
  ['of gzip', Buffer.concat([Buffer.from([0x1f, 0x8b]), Buffer.alloc(600, 7)]), /gzip[\s\S]*gunzip/],
  [
    'without a sample',
    await tar([
      ['a.jpg', JPEG],
      ['b.txt', 'x'],
      ['._c.jpg', ''],
    ]),
    /hold no sample[\s\S]*1 hidden file \(\._c\.jpg\), 1 image without a caption \(a\.jpg\), 1 caption without an image \(b\.txt\)[\s\S]*0001\.jpg, 0001\.txt/,
  ],
  ['of nothing', await tar([]), /hold no sample[\s\S]*no file/],
];

for (const [what, bytes, message] of BROKEN) {
  test(`a shard ${what} is refused with its place`, async () => {
    await assert.rejects(build(bytes), refused(message));
  });
}

test('headers are read once: later epochs do without them', async () => {
  const dataset = await build(await tar(pairs(3)));
  const shards = new Set<unknown>();
  for await (const { record } of dataset.stream({ epoch: 0, seed: 0, rank: 0, worldSize: 1 })) {
    shards.add(record.shard);
  }
  const [shard] = shards as Set<string>;
  const bytes = readFileSync(shard);
  for (const name of ['1.jpg', '2.txt'])
    bytes.fill(7, bytes.indexOf(`${name}\0`), bytes.indexOf(`${name}\0`) + 100);
  writeFileSync(shard, bytes);
  assert.deepEqual(await read(dataset), three);
});

test('with a given number of samples a shard is looked at when its turn comes', async () => {
  const dataset = await build(whole.subarray(0, at('2.jpg')), { samples: 3 });
  assert.equal(dataset.samplesPerEpoch, 3);
  await assert.rejects(read(dataset), refused(/without the blocks of zeros/));
});

test('a folder, or an address, in place of shards is told', async () => {
  const at = (storage: string) =>
    ShardsCaptionBuilder.fromConfig({ build_info: { storage } }).buildDatasets();
  const folder = temporaryFolder();
  await assert.rejects(at(`${folder}/`), refused(/a folder in place of a shard[\s\S]*\/\*\.tar'/));
  await assert.rejects(at('https://example.org/{0..3}.tar'), refused(/read from files[\s\S]*example\.org/));
});

test('fewer samples than ranks are told as that', async () => {
  const dataset = await build(whole);
  assert.throws(() => trainSource([dataset], { batchSize: 1, worldSize: 4 }), /3 samples, 4 ranks/);
});
