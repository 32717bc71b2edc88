import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { demoPages } from '#src/serve/index.js';
import { Browser, type Page } from '../cli/browser.js';
import { noChromium } from '../cli/chromium.js';
import { fixtureJson, temporaryFolder } from '../support.js';
import { type TinyServer, tinyServer } from './tiny_server.js';

const folder = temporaryFolder();
process.env.LAVIS_CACHE_ROOT = join(folder, 'cache');
const TOKEN = 'a-token-of-the-tests';

describe('the demo, as a person uses it', { skip: noChromium }, () => {
  let tiny: TinyServer;
  let browser: Browser;
  before(async () => {
    tiny = await tinyServer(folder, {
      fixtures: ['tiny_caption', 'tiny_vqa', 'tiny_itm'],
      photos: join(folder, 'itm'),
      pages: demoPages(),
      token: TOKEN,
    });
    browser = new Browser();
  });
  after(async () => {
    await browser.close();
    await tiny.server.end();
  });

  async function open(options = {}): Promise<Page> {
    const page = await browser.open(`${tiny.url}/#token=${TOKEN}`, options);
    await page.until('document.documentElement.dataset.ready');
    assert.equal(await page.evaluate('document.documentElement.dataset.ready'), 'yes');
    return page;
  }

  it('captions a picture as soon as it is chosen', async () => {
    const page = await open();
    const { cases } = fixtureJson<{ cases: { name: string; captions: string[] }[] }>(
      'tiny_caption',
      'generation.json',
    );
    const { captions } = cases.find(({ name }) => name === 'beam3_run_yaml')!;
    await page.chooseFile('#file', tiny.images.tiny_caption!.files[1]);
    await page.until('document.querySelectorAll(".captions li:not(.coming)").length === 3');
    assert.equal((await page.text('.captions li p')).trim(), captions[1]);
    const isDrawn = 'document.getElementById("heat").classList.contains("on")';
    assert.equal(await page.evaluate(isDrawn), false);
    await page.evaluate('document.querySelectorAll(".captions button.word")[2].focus()');
    assert.equal(await page.evaluate(isDrawn), true);
    const drawn = `(() => {
      const { width, height } = document.getElementById('heat');
      const { data } = document.getElementById('heat').getContext('2d').getImageData(0, 0, width, height);
      return data.reduce((most, value, i) => (i % 4 === 3 ? Math.max(most, value) : most), 0);
    })()`;
    assert.ok((await page.evaluate<number>(drawn)) > 100);
    assert.equal(await page.text('#name'), '1.png');
    assert.deepEqual(await page.seriousFaults(), []);
  });

  it('takes a picture that is dropped, and one that is pasted', async () => {
    const page = await open();
    const transfer = `(async () => {
      const canvas = new OffscreenCanvas(4, 4);
      canvas.getContext('2d').fillRect(0, 0, 4, 4);
      const data = new DataTransfer();
      data.items.add(new File([await canvas.convertToBlob()], NAME, { type: 'image/png' }));
      return data;
    })()`;
    await page.evaluate(`${transfer.replace('NAME', '"dropped.png"')}.then((dataTransfer) =>
      document.dispatchEvent(new DragEvent('drop', { dataTransfer })))`);
    await page.until('document.querySelector(".captions li:not(.coming)")');
    assert.equal(await page.text('#name'), 'dropped.png');
    await page.evaluate(`${transfer.replace('NAME', '"pasted.png"')}.then((clipboardData) =>
      document.dispatchEvent(new ClipboardEvent('paste', { clipboardData })))`);
    assert.equal(await page.text('#name'), 'pasted.png');
  });

  it('answers a question, by the keyboard alone', async () => {
    const page = await open();
    await page.chooseFile('#file', tiny.images.tiny_vqa!.files[0]);
    await page.evaluate('document.getElementById("tab-caption").focus()');
    await page.press('ArrowRight');
    assert.equal(await page.evaluate('document.activeElement.id'), 'tab-ask');
    await page.evaluate('document.getElementById("question").focus()');
    await page.type('what is it');
    await page.press('Enter');
    await page.until('document.querySelector(".answers dd")');
    const asked = await tiny.post(
      '/v1/ask',
      { image: tiny.image('tiny_vqa', 0), question: 'what is it' },
      { authorization: `Bearer ${TOKEN}` },
    );
    const { answers } = (await asked.json()) as { answers: { answer: string }[] };
    assert.equal(await page.text('.answers dt'), 'what is it');
    assert.equal(await page.text('.answers dd'), answers[0].answer);
    assert.deepEqual(await page.seriousFaults(), []);
  });

  it('puts sentences in the order of how well they match', async () => {
    const page = await open();
    const { texts } = fixtureJson<{ texts: string[] }>('tiny_itm', 'forward.json');
    await page.chooseFile('#file', tiny.images.tiny_itm!.files[0]);
    await page.click('#tab-match');
    await page.evaluate('document.getElementById("texts").focus()');
    await page.type(texts.join('\n'));
    await page.click('#panel-match button.main');
    await page.until(`document.querySelectorAll(".matches li").length === ${texts.length}`);
    const shares = await page.evaluate<number[]>(
      '[...document.querySelectorAll(".matches meter")].map(({ value }) => value)',
    );
    assert.deepEqual(
      shares,
      shares.toSorted((a, b) => b - a),
    );
    assert.deepEqual(await page.seriousFaults(), []);
  });

  it('searches the folder by words and by the picture; what is found becomes the picture', async () => {
    const page = await open();
    await page.click('#strip [data-path="1.png"]');
    await page.until('document.getElementById("name").textContent === "1.png"');
    await page.click('#tab-search');
    await page.click('#search-like');
    await page.click('#panel-search button.main');
    await page.until('document.querySelector(".found [data-path]")');
    assert.equal(await page.evaluate('document.querySelector(".found [data-path]").dataset.path'), '1.png');
    await page.click('.found li:nth-child(2) button');
    await page.until('document.getElementById("name").textContent !== "1.png"');
    assert.deepEqual(await page.seriousFaults(), []);
  });

  it('fits a phone and the dark, tells what went wrong, and loads nothing from elsewhere', async () => {
    const page = await open({ width: 390, height: 844, phone: true, dark: true });
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 390);
    await page.click('#panel-caption button.main');
    await page.until('document.getElementById("status").textContent');
    assert.match(await page.text('#status'), /Choose a picture first/);
    await page.chooseFile('#file', tiny.images.tiny_itm!.common[1]); // a YAML
    await page.until('/cannot be decoded/.test(document.getElementById("status").textContent)');
    assert.deepEqual(await page.seriousFaults(), []);
    const loaded = await page.evaluate<string[]>(
      'performance.getEntriesByType("resource").map(({ name }) => name)',
    );
    assert.ok(loaded.length > 8);
    for (const name of loaded) assert.ok(name.startsWith(tiny.url) || /^(blob|data):/.test(name), name);
    assert.equal(await page.evaluate('location.hash'), '');
  });

  it('without the token it shows nothing but why', async () => {
    const page = await browser.open(`${tiny.url.replace('127.0.0.1', 'localhost')}/`);
    await page.until('document.documentElement.dataset.ready');
    assert.match(await page.text('#models'), /token is missing/);
  });
});

describe("the demo's page", () => {
  it('may load what the server has, and nothing else', () => {
    for (const [path, { type, headers }] of demoPages()) {
      assert.match(
        headers!['content-security-policy'],
        /^default-src 'none'; script-src 'self'; style-src 'self';/,
      );
      assert.match(type, /\.(css|js)$/.test(path) ? /css|javascript/ : /html/);
    }
  });
});
