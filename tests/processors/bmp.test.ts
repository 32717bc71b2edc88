import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DataError } from '#src/common/errors.js';
import { decodeImage } from '#src/processors/index.js';

type Colour = readonly [red: number, green: number, blue: number];

interface Form {
  width: number;
  /** Below 0: the first row is the upper one. */
  height: number;
  bits: number;
  compression?: number;
  /** 12: OS/2's; 40: Windows's; 56: with masks of four channels. */
  header?: 12 | 40 | 56;
  masks?: number[];
  palette?: readonly Colour[];
}

/** A BMP with these bytes of pixels, rows filled up by the caller. */
function bmp(form: Form, pixels: readonly number[]): Buffer {
  const { width, height, bits, compression = 0, header = 40, masks = [], palette = [] } = form;
  const head = Buffer.alloc(14 + header);
  head.write('BM');
  head.writeUInt32LE(header, 14);
  if (header === 12) {
    head.writeUInt16LE(width, 18);
    head.writeUInt16LE(height, 20);
    head.writeUInt16LE(1, 22);
    head.writeUInt16LE(bits, 24);
  } else {
    head.writeInt32LE(width, 18);
    head.writeInt32LE(height, 22);
    head.writeUInt16LE(1, 26);
    head.writeUInt16LE(bits, 28);
    head.writeUInt32LE(compression, 30);
    head.writeUInt32LE(palette.length, 46);
  }
  const behind = Buffer.alloc(header === 40 ? 4 * masks.length : 0);
  masks.forEach((mask, i) => {
    if (header === 40) behind.writeUInt32LE(mask, 4 * i);
    else head.writeUInt32LE(mask, 54 + 4 * i);
  });
  const colours = palette.flatMap(([r, g, b]) => (header === 12 ? [b, g, r] : [b, g, r, 0]));
  const start = Buffer.concat([head, behind, Buffer.from(colours)]);
  start.writeUInt32LE(start.length, 10);
  return Buffer.concat([start, Buffer.from(pixels)]);
}

const red: Colour = [255, 0, 0];
const green: Colour = [0, 255, 0];
const blue: Colour = [0, 0, 255];
const white: Colour = [255, 255, 255];
/** Shown: red green blue over white red green. */
const shown = [red, green, blue, white, red, green].flat();
const palette = [red, green, blue, white];

const cases: [name: string, file: Buffer, pixels?: number[]][] = [
  [
    'of 24 bits',
    bmp({ width: 3, height: 2, bits: 24 }, [
      ...[255, 255, 255, 0, 0, 255, 0, 255, 0, 9, 9, 9],
      ...[0, 0, 255, 0, 255, 0, 255, 0, 0, 9, 9, 9],
    ]),
  ],
  [
    'of 24 bits, the upper row first',
    bmp({ width: 3, height: -2, bits: 24 }, [
      ...[0, 0, 255, 0, 255, 0, 255, 0, 0, 9, 9, 9],
      ...[255, 255, 255, 0, 0, 255, 0, 255, 0, 9, 9, 9],
    ]),
  ],
  ['of 8 bits', bmp({ width: 3, height: 2, bits: 8, palette }, [3, 0, 1, 9, 0, 1, 2, 9])],
  ["of 8 bits, OS/2's", bmp({ width: 3, height: 2, bits: 8, header: 12, palette }, [3, 0, 1, 9, 0, 1, 2, 9])],
  ['of 4 bits', bmp({ width: 3, height: 2, bits: 4, palette }, [0x30, 0x10, 9, 9, 0x01, 0x20, 9, 9])],
  [
    'of 1 bit',
    bmp({ width: 3, height: 2, bits: 1, palette: [red, white] }, [0b10100000, 0, 0, 0, 0b01000000, 0, 0, 0]),
    [red, white, red, white, red, white].flat(),
  ],
  [
    'of 16 bits, five a channel',
    bmp({ width: 1, height: 2, bits: 16 }, [0xff, 0x7f, 0, 0, 0x00, 0x7c, 0, 0]),
    [red, white].flat(),
  ],
  [
    'of 16 bits, six for green',
    bmp({ width: 1, height: 1, bits: 16, compression: 3, masks: [0xf800, 0x7e0, 0x1f] }, [0xe0, 0x07, 0, 0]),
    [...green],
  ],
  [
    'of 32 bits, the fourth byte unused',
    bmp({ width: 3, height: 2, bits: 32 }, [
      ...[255, 255, 255, 0, 0, 0, 255, 0, 0, 255, 0, 0],
      ...[0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 0],
    ]),
  ],
  [
    'of 32 bits with alpha, on white',
    bmp(
      {
        width: 2,
        height: 1,
        bits: 32,
        compression: 3,
        header: 56,
        masks: [0xff0000, 0xff00, 0xff, 0xff000000],
      },
      [0, 0, 200, 0, 0, 0, 200, 255],
    ),
    [255, 255, 255, 200, 0, 0],
  ],
  [
    'of 32 bits whose alpha is 0 everywhere, opaque',
    bmp(
      {
        width: 1,
        height: 1,
        bits: 32,
        compression: 3,
        header: 56,
        masks: [0xff0000, 0xff00, 0xff, 0xff000000],
      },
      [0, 0, 200, 0],
    ),
    [200, 0, 0],
  ],
  [
    'of runs of 8 bits: a run, a literal, a jump over two',
    bmp({ width: 3, height: 3, bits: 8, compression: 1, palette }, [
      ...[3, 2, 0, 0],
      ...[0, 3, 1, 2, 3, 0, 0, 0],
      ...[0, 2, 2, 0, 1, 1, 0, 1],
    ]),
    [red, red, green, green, blue, white, blue, blue, blue].flat(),
  ],
  [
    'of runs of 4 bits',
    bmp({ width: 3, height: 2, bits: 4, compression: 2, palette }, [3, 0x12, 0, 0, 0, 3, 0x01, 0x20, 0, 1]),
    [red, green, blue, green, blue, green].flat(),
  ],
];

describe('a BMP', () => {
  for (const [name, file, pixels = shown] of cases) {
    it(name, async () => {
      assert.deepEqual([...(await decodeImage(file)).data], pixels);
    });
  }

  it('cut short, of a huge size or of an unknown kind is refused', async () => {
    const whole = cases[0][1];
    const huge = bmp({ width: 60_000, height: 60_000, bits: 24 }, []);
    const claimed = bmp({ width: 9_000, height: 9_000, bits: 1, palette: [red, white] }, [1, 2, 3]);
    const jpegInside = bmp({ width: 3, height: 2, bits: 24, compression: 4 }, [1, 2, 3]);
    const faults: [Buffer, RegExp][] = [
      [whole.subarray(0, 70), /a BMP, 70 bytes: premature end[\s\S]*cut short/],
      [whole.subarray(0, 20), /a BMP, 20 bytes: premature end/],
      [huge, /too large[\s\S]*60000 x 60000/],
      [claimed, /premature end/],
      [jpegInside, /compression 4, which is not supported[\s\S]*convert it to PNG/],
    ];
    for (const [bytes, message] of faults) {
      await assert.rejects(decodeImage(bytes), (thrown: Error) => {
        assert.ok(thrown instanceof DataError);
        assert.match(thrown.message, message);
        return true;
      });
    }
  });
});
