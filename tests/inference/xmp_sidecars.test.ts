import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { DataError } from '#src/common/errors.js';
import { type Existing, XmpSidecars } from '#src/inference/index.js';
import { temporaryFolder } from '../support.js';

const exiftool = spawnSync('exiftool', ['-ver']).status === 0;

const RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"';
const DC = 'xmlns:dc="http://purl.org/dc/elements/1.1/"';

/** As exiftool writes one: apostrophes, the Unicode mark, descriptions in two languages. */
const EXIFTOOL = `<?xpacket begin='\uFEFF' id='W5M0MpCehiHzreSzNTczkc9d'?>
<x:xmpmeta xmlns:x='adobe:ns:meta/'>
<rdf:RDF ${RDF}>
 <rdf:Description rdf:about='' ${DC}>
  <dc:description>
   <rdf:Alt>
    <rdf:li xml:lang='de'>alt &amp; gut</rdf:li>
    <rdf:li xml:lang='x-default'>an old one</rdf:li>
   </rdf:Alt>
  </dc:description>
  <dc:subject><rdf:Bag><rdf:li>tree</rdf:li></rdf:Bag></dc:subject>
 </rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end='w'?>`;

/** As darktable writes one: history, no description. */
const DARKTABLE = `<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF ${RDF}>
  <rdf:Description rdf:about="" xmlns:darktable="http://darktable.sf.net/" darktable:xmp_version="5">
   <darktable:history><rdf:Seq><rdf:li darktable:params="gz08eJ&#10;zjY"/></rdf:Seq></darktable:history>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
`;

function photo(sidecar?: string) {
  const image = join(temporaryFolder(), 'a.jpg');
  const path = `${image}.xmp`;
  if (sidecar !== undefined) writeFileSync(path, sidecar);
  const read = () => readFileSync(path, 'utf8');
  async function caption(existing: Existing, ...captions: string[]): Promise<string> {
    await new XmpSidecars(existing).write({ image, captions });
    return read();
  }
  return { image, path, read, caption };
}

describe('captions in XMP sidecars', () => {
  it('a new one is a packet with the description in the default language', async () => {
    const text = await photo().caption('skip', 'two <dogs> & a cat\u0001', 'größe');
    assert.equal(
      text,
      `<?xpacket begin="\uFEFF" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF ${RDF}>
  <rdf:Description rdf:about="" ${DC}>
   <dc:description>
    <rdf:Alt>
     <rdf:li xml:lang="x-default">two &lt;dogs&gt; &amp; a cat
größe</rdf:li>
    </rdf:Alt>
   </dc:description>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
`,
    );
  });

  it('a description that is there is kept, replaced or joined, and nothing else is touched', async () => {
    const { image, read, caption } = photo(EXIFTOOL);
    assert.deepEqual(await new XmpSidecars('skip').missing([image]), []);
    assert.equal(await caption('skip', 'new'), EXIFTOOL);
    assert.deepEqual(await new XmpSidecars('append').missing([image]), [image]);
    const item = (text: string) => new RegExp(`<rdf:li xml:lang=.x-default.>${text}</rdf:li>`);
    assert.match(await caption('append', 'new'), item('an old one new'));
    assert.match(await caption('prepend', 'first'), item('first an old one new'));
    assert.match(await caption('overwrite', 'last'), item('last'));
    const parts = [/<rdf:li xml:lang=.de.>alt &amp; gut</, /<rdf:li>tree</, /begin='\uFEFF'/, /end='w'/];
    for (const kept of parts) assert.match(read(), kept);
    assert.equal(read().match(/x-default/g)?.length, 1);
    assert.ok(read().indexOf('x-default') < read().indexOf('alt &amp; gut'), 'the default comes first');
  });

  it('one without a description is given one, whatever skip says', async () => {
    const { image, caption } = photo(DARKTABLE);
    assert.deepEqual(await new XmpSidecars('skip').missing([image]), [image]);
    const text = await caption('skip', 'a dog');
    assert.match(text, /darktable:params="gz08eJ&#10;zjY"/);
    assert.match(text, /darktable:xmp_version="5"/);
    assert.match(text, /<rdf:li xml:lang="x-default">a dog<\/rdf:li>/);
    assert.ok(text.startsWith('<?xml version="1.0" encoding="UTF-8"?>'));
    assert.deepEqual(await new XmpSidecars('skip').missing([image]), []);
  });

  it('one in UTF-16 becomes one in UTF-8, and says so', async () => {
    const { path, caption } = photo();
    writeFileSync(path, `\uFEFF${DARKTABLE.replace('UTF-8', 'UTF-16')}`, 'utf16le');
    assert.ok(
      (await caption('skip', 'größe')).startsWith('<?xml version="1.0" encoding="UTF-8"?>\n<x:xmpmeta'),
    );
  });

  it('are what exiftool reads', { skip: !exiftool && 'exiftool is not there' }, async () => {
    const { path, caption } = photo(DARKTABLE);
    await caption('skip', 'two <dogs> & größe');
    const { stdout } = spawnSync('exiftool', ['-j', '-validate', '-XMP:all', path], { encoding: 'utf8' });
    const [read] = JSON.parse(stdout) as Record<string, unknown>[];
    assert.deepEqual([read.Validate, read.Description], ['OK', 'two <dogs> & größe']);
    assert.equal(read.Xmp_version, 5);
  });

  it('a description as an attribute, and prefixes of its own, are understood', async () => {
    const short = `<r:RDF ${RDF.replace('rdf=', 'r=')}><r:Description r:about="" ${DC.replace('dc=', 'd=')} d:description="short"/></r:RDF>`;
    const { image, caption } = photo(short);
    assert.deepEqual(await new XmpSidecars('skip').missing([image]), []);
    const text = await caption('prepend', 'long');
    assert.match(text, /<d:description>\s*<r:Alt>\s*<r:li xml:lang="x-default">long short<\/r:li>/);
    assert.doesNotMatch(text, /d:description=/);
  });

  for (const [what, sidecar, message] of [
    [
      'cut short',
      EXIFTOOL.slice(0, 300),
      /is not XML[\s\S]*a\.jpg\.xmp[\s\S]*found: +(unclosed|unexpected end)/,
    ],
    ['of another kind', '<html><body/></html>', /describes nothing[\s\S]*a\.jpg\.xmp[\s\S]*<html>/],
    ['empty', '', /is not XML[\s\S]*a\.jpg\.xmp/],
  ] as const) {
    it(`one that is ${what} is told before the first caption, and left as it is`, async () => {
      const { image, path, read } = photo(sidecar);
      for (const existing of ['skip', 'overwrite'] as const) {
        await assert.rejects(new XmpSidecars(existing).missing([image]), (error) => {
          assert.ok(error instanceof DataError, String(error));
          assert.match(error.message, message);
          return true;
        });
      }
      assert.ok(existsSync(path));
      assert.equal(read(), sidecar);
    });
  }
});
