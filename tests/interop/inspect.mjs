// The live page in headless Chromium: node inspect.mjs PAGE_URL ws://RECORDER [PICTURES]
//
// An enigma.js client makes calls through the recorder, and the page of `record --ui` shows them; then its explorer makes some itself.

import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { Context } from './enigma-context.mjs';
import { executable } from './visit.mjs';

const LIMIT = 30_000;
const [url, recorder, pictures] = process.argv.slice(2);
if (!recorder) {
  console.error('usage: node inspect.mjs PAGE_URL ws://RECORDER [PICTURES]');
  process.exit(2);
}

const browser = await chromium.launch({
  executablePath: executable(),
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  timeout: 60_000,
});
const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, reducedMotion: 'reduce', colorScheme: 'light' });
const page = await context.newPage();
page.setDefaultTimeout(LIMIT);
const complaints = [];
page.on('console', (message) => message.type() === 'error' && complaints.push(`console: ${message.text()}`));
page.on('pageerror', (error) => complaints.push(`page: ${error.stack}`));
page.on('request', (request) => {
  if (new URL(request.url()).host !== new URL(url).host) complaints.push(`request: ${request.url()}`);
});

const picture = (name) => (pictures ? page.screenshot({ path: `${pictures}-${name}.png`, animations: 'disabled', caret: 'hide' }) : undefined);
const calls = () => page.evaluate(() => window.app.store.size);
const has = (size) => page.waitForFunction((least) => window.app.store.size >= least, size);
/** What was copied last: headless pages may not read the clipboard. */
const copied = () => page.evaluate(() => window.copied);

async function watch(t, checks) {
  for (const [title, check] of Object.entries(checks)) {
    await check(t);
    assert.deepEqual(complaints, [], `the browser complains: ${title}`);
    console.log(`ok ${title}`);
  }
}

const explorer = {
  target: (name) => page.locator('.ex-object', { hasText: name }),
  async pick(name) {
    await page.locator('#method-search').fill(name);
    await page.locator('.method', { has: page.locator('span', { hasText: new RegExp(`^${name}$`) }) }).click();
    await page.locator('.ex-form h2', { hasText: name }).waitFor();
  },
  async send(method) {
    await page.locator('#explorer-send').click();
    await page.locator('.ex-answer h2', { hasText: method }).waitFor();
    await page.locator('.ex-answer').getByText('waiting for the answer').waitFor({ state: 'detached' });
  },
  field: (name) => page.locator('.param', { hasText: name }).locator('input, select, textarea').first(),
};

const CHECKS = {
  'calls of an enigma.js client appear as they are recorded': async (t) => {
    await page.goto(url);
    await page.locator('#live[data-phase=following]').waitFor();
    const before = await calls();
    const { doc } = await t.doc({});
    await doc.getAppLayout();
    const chart = await doc.getObject('CH01');
    await chart.getLayout();
    t.chart = chart;
    t.opened = doc;
    await has(before + 4);
    await page.locator('#facts', { hasText: 'calls' }).waitFor();
  },
  'a pause holds calls back, and a resume brings them': async (t) => {
    await page.locator('#pause').click();
    await page.locator('#live[data-phase=paused]').waitFor();
    const before = await calls();
    await t.opened.evaluate('Sum(Sales)');
    await t.chart.getLayout();
    // Another page has them already, so that they would be here, too.
    const other = await context.newPage();
    await other.goto(url);
    await other.waitForFunction((least) => window.app?.store.size >= least, before + 2);
    await other.close();
    assert.equal(await calls(), before);
    await page.keyboard.press('p');
    await has(before + 2);
    await page.locator('#live[data-phase=following]').waitFor();
  },
  'a filter narrows the calls, and one opens with request and answer': async () => {
    await page.locator('#tab-calls').click();
    await page.locator('#search').fill('Evaluate');
    await page.waitForFunction(() => /^1 call$|of 1 call$/.test(document.getElementById('hits').textContent));
    await page.locator('.row', { hasText: 'Evaluate' }).first().click();
    await page.locator('#detail .tree').waitFor();
    assert.match(await page.locator('#detail').innerText(), /qReturn/);
    await page.locator('#said-raw').click();
    assert.match(await page.locator('#detail pre').first().innerText(), /Sum\(Sales\)/);
    await picture('calls-light');
    await page.keyboard.press('Escape');
    await page.locator('#search').fill('');
  },
  'the explorer connects, and picks, fills and sends': async () => {
    await page.locator('#tab-explorer').click();
    await page.locator('#explorer-connect').click();
    await explorer.target('Global').waitFor();
    await explorer.pick('OpenDoc');
    await explorer.field('qDocName').fill('Sales.qvf');
    await explorer.send('OpenDoc');
    await explorer.target('Doc').locator('input:checked').waitFor();
    await explorer.pick('GetObject');
    await explorer.field('qId').fill('CH01');
    await explorer.send('GetObject');
    await page.locator('.ex-object input:checked').waitFor();
    await explorer.pick('GetLayout');
    await explorer.send('GetLayout');
    await page.locator('.ex-answer .tree').waitFor();
    assert.match(await page.locator('.ex-answer').innerText(), /qLayout/);
    assert.match(await page.locator('.ex-answer .ex-facts').innerText(), /ms, .*B/);
    await picture('explorer-light');
    await page.locator('.ex-answer [data-view=raw]').click();
    assert.match(await page.locator('.ex-answer pre').innerText(), /^\{"jsonrpc":"2\.0"/);
  },
  'what is typed wrongly is said before it is sent, and what fails is said in words': async () => {
    await explorer.target('Doc').locator('input').check();
    await explorer.pick('GetObject');
    await explorer.field('qId').fill('nobody');
    await explorer.send('GetObject');
    assert.match(await page.locator('.ex-answer .failure').innerText(), /no such object/);
    await explorer.pick('CreateSessionObject');
    assert.match(await explorer.field('qProp').inputValue(), /"qInfo"/);
    await explorer.field('qProp').fill('{"qInfo":');
    await page.locator('#explorer-send').click();
    assert.match(await page.locator('.ex-fault').innerText(), /qProp is no JSON/);
  },
  'a call is copied as Rust, as enigma.js and for the command line': async () => {
    await page.evaluate(() => { window.copyText = (text) => { window.copied = text; }; });
    await explorer.pick('Evaluate');
    await explorer.field('qExpression').fill("Sum({<Region={'North'}>} Sales)");
    await page.locator('#copy-rust').click();
    assert.match(await copied(), /let app = Object::new\(session\.clone\(\).*\n.*app\.call::<Value>\("Evaluate", &json!\(\["Sum/);
    await page.locator('#copy-enigma').click();
    assert.match(await copied(), /const app = await global\.openDoc\("Sales\.qvf"\);\nconst answer = await app\.evaluate\("Sum/);
    await page.locator('#copy-call').click();
    assert.match(await copied(), /^qix-proxy call ws:\/\/\S+ Doc\.Evaluate '\["Sum\(\{<Region=\{'\\''North'\\''\}>\} Sales\)"\]' --app Sales\.qvf$/);
  },
  'the history puts a call back into the form and sends it again': async () => {
    const entries = page.locator('.ex-history li');
    const before = await entries.count();
    assert.ok(before >= 4);
    await entries.filter({ hasText: 'GetLayout' }).getByRole('button', { name: 'Send GetLayout again' }).click();
    await page.waitForFunction((count) => document.querySelectorAll('.ex-history li').length > count, before);
    await entries.filter({ hasText: 'OpenDoc["Sales' }).locator('.link').click();
    assert.equal(await explorer.field('qDocName').inputValue(), 'Sales.qvf');
  },
  'writes are off until they are switched on': async () => {
    await explorer.target('Doc').locator('input').check();
    await explorer.pick('SetScript');
    await explorer.field('qScript').fill('LOAD 1 AUTOGENERATE 1;');
    assert.ok(await page.locator('#explorer-send').isDisabled());
    assert.match(await page.locator('.ex-form .why').innerText(), /allow writes/);
    await page.locator('#explorer-writes').check();
    await explorer.field('qScript').fill('LOAD 1 AUTOGENERATE 1;');
    await explorer.send('SetScript');
    assert.equal(await page.locator('.ex-answer .failure').count(), 0);
  },
  'it is there in the dark and on a narrow screen': async () => {
    await explorer.target('barchart').locator('input').check();
    await explorer.pick('GetLayout');
    await explorer.send('GetLayout');
    await page.keyboard.press('Escape');
    await page.locator('#theme').click();
    await picture('explorer-dark');
    await page.locator('#tab-timeline').click();
    await picture('timeline-dark');
    await page.locator('#tab-explorer').click();
    await page.setViewportSize({ width: 390, height: 844 });
    await picture('explorer-narrow');
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
    assert.equal(wide, false, 'nothing sticks out');
  },
};

const t = new Context(recorder.replace(/\/+$/, ''), 'inspect', {});
try {
  await watch(t, CHECKS);
  console.log(`${browser.version()}: ${Object.keys(CHECKS).length} checks`);
} catch (error) {
  await picture('failure');
  console.error(error.message, ...complaints);
  process.exitCode = 1;
} finally {
  await t.end();
  await browser.close();
}
