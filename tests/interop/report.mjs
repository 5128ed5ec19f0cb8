// A report in a real browser: every view, gesture and key, and the time that 100,000 calls take.
//
//   node report.mjs FILE.html [--pictures PREFIX] [--json FILE] [--speed]
//
// With --speed it only measures. It fails on any message of the console and on any request but that for the file.

import { parseArgs } from 'node:util';
import { pathToFileURL } from 'node:url';
import { writeFileSync } from 'node:fs';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { executable } from './visit.mjs';

const LIMIT = 60_000;

async function main() {
  const { values: options, positionals: [file] } = parseArgs({
    allowPositionals: true,
    options: { pictures: { type: 'string' }, json: { type: 'string' }, speed: { type: 'boolean' } },
  });
  if (!file) throw new Error('which report? Give its file');
  const browser = await chromium.launch({
    executablePath: executable(), headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  });
  try {
    const page = await open(browser, file);
    const figures = options.speed ? await measure(page) : await use(page, options.pictures);
    page.mustBeQuiet();
    for (const [name, value] of Object.entries(figures)) console.log(`${name}: ${value}`);
    if (options.json) writeFileSync(options.json, JSON.stringify(figures));
  } finally {
    await browser.close();
  }
}

async function open(browser, file) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, colorScheme: 'light' });
  const page = await context.newPage();
  page.setDefaultTimeout(LIMIT);
  const said = [];
  const url = pathToFileURL(file).href;
  page.on('console', (message) => said.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => said.push(`error: ${error.stack}`));
  page.on('request', (request) => {
    if (request.url().split('#')[0] !== url) said.push(`request: ${request.url()}`);
  });
  page.mustBeQuiet = () => assert.deepEqual(said, [], 'no error and no request');
  await page.goto(url);
  await page.waitForFunction(() => document.documentElement.dataset.ready === 'yes' && window.app.updates > 0);
  await settled(page);
  return page;
}

/** Waits for two frames, after which what was asked for is drawn. */
function settled(page) {
  return page.evaluate(() => new Promise((resolve) => {
    requestAnimationFrame(() => requestAnimationFrame(resolve));
  }));
}

const span = (page) => page.evaluate(() => window.app.timeline.t1 - window.app.timeline.t0);
const selected = (page) => page.evaluate(() => window.app.selected);
const view = (page) => page.evaluate(() => window.app.view.id);

/** Uses everything that the report has; whoever adds something adds it here. */
async function use(page, pictures) {
  const picture = async (name) => {
    if (!pictures) return;
    await settled(page);
    await page.screenshot({ path: `${pictures}-${name}.png`, animations: 'disabled', caret: 'hide' });
  };
  const done = {};
  const part = async (name, run) => {
    await run();
    page.mustBeQuiet();
    done[name] = 'works';
  };
  await part('zoom and pan', () => zoomAndPan(page));
  await part('hover and selection', () => hoverAndSelection(page));
  await part('search', () => search(page));
  await part('arrows', () => arrows(page));
  await picture('timeline-light');
  await part('detail', () => detail(page));
  await part('tables', () => tables(page, picture));
  await part('charts', () => charts(page, picture));
  await part('findings', () => findings(page, picture));
  await part('keyboard', () => keyboard(page));
  await part('light and dark', () => theme(page, picture));
  await part('contrast', () => contrast(page));
  await part('narrow', () => narrow(page, picture));
  return done;
}

async function zoomAndPan(page) {
  const whole = await span(page);
  const canvas = page.locator('#timeline canvas');
  const box = await canvas.boundingBox();
  const [x, y] = [box.x + box.width * 0.6, box.y + 10];
  await page.mouse.move(x, y);
  const around = await page.evaluate((at) => window.app.timeline.timeAt(at), x - box.x);
  await page.mouse.wheel(0, -300);
  await settled(page);
  assert.ok(await span(page) < whole * 0.9, 'the wheel on the ruler zooms');
  const stays = await page.evaluate((at) => window.app.timeline.timeAt(at), x - box.x);
  assert.ok(Math.abs(stays - around) < whole * 0.001, 'what is under the pointer stays there');
  const before = await page.evaluate(() => window.app.timeline.t0);
  await page.mouse.move(x, box.y + box.height - 40);
  await page.mouse.down();
  await page.mouse.move(x + 120, box.y + box.height - 40, { steps: 4 });
  await page.mouse.up();
  assert.ok(await page.evaluate(() => window.app.timeline.t0) < before, 'dragging to the right shows what was earlier');
  await page.getByRole('button', { name: 'Zoom in' }).click();
  const near = await span(page);
  await page.getByRole('button', { name: 'Zoom out' }).click();
  assert.ok(await span(page) > near * 1.9);
  await page.keyboard.down('Control');
  await page.mouse.move(x, box.y + 100);
  await page.mouse.wheel(0, -60);
  await page.keyboard.up('Control');
  await settled(page);
  assert.ok(await span(page) < near * 2, 'a pinch on a touch pad zooms');
  const strip = await page.locator('canvas.overview').boundingBox();
  await page.getByRole('button', { name: 'Show all' }).click();
  await page.mouse.move(strip.x + strip.width * 0.5, strip.y + 20);
  await page.mouse.down();
  await page.mouse.move(strip.x + strip.width * 0.6, strip.y + 20, { steps: 3 });
  await page.mouse.up();
  assert.ok(Math.abs((await span(page)) / whole - 0.1) < 0.02, 'what is dragged over in the strip is shown');
  await pinch(page, box);
  await page.getByRole('button', { name: 'Show all' }).click();
  assert.equal(await span(page), whole);
}

/** Two fingers that move apart. */
async function pinch(page, box) {
  const before = await span(page);
  await page.evaluate(([left, top, width]) => {
    const canvas = document.querySelector('#timeline canvas');
    canvas.setPointerCapture = () => {};
    const send = (type, id, x) => canvas.dispatchEvent(new PointerEvent(type, { pointerId: id, pointerType: 'touch', clientX: left + x, clientY: top + 120, bubbles: true }));
    send('pointerdown', 11, width * 0.5);
    send('pointerdown', 12, width * 0.6);
    send('pointermove', 12, width * 0.7);
    send('pointerup', 12, width * 0.7);
    send('pointerup', 11, width * 0.5);
  }, [box.x, box.y, box.width]);
  assert.ok(Math.abs((await span(page)) / before - 0.5) < 0.05, 'fingers twice as far apart show half as much');
}

/** Where a call is drawn, in pixels of the page. */
function placeOf(page, i) {
  return page.evaluate((call) => {
    const { timeline, store } = window.app;
    timeline.zoomTo(call);
    timeline.paint();
    const row = timeline.rows.rowOfCall(call);
    const box = timeline.canvas.getBoundingClientRect();
    const middle = (Math.max(store.at[call], timeline.t0) + Math.min(store.endOf(call), timeline.t1)) / 2;
    return {
      x: box.left + timeline.left + (middle - timeline.t0) * timeline.scale,
      y: box.top + RULER + row.y - timeline.scroller.scrollTop + ROW_PAD + (laneOf(row, store, call) + 0.5) * LANE,
    };
  }, i);
}

async function hoverAndSelection(page) {
  const call = 2;
  const { x, y } = await placeOf(page, call);
  await page.mouse.move(x, y);
  await page.locator('#tip').waitFor({ state: 'visible' });
  const method = await page.evaluate((i) => window.app.store.methodName(i), call);
  assert.match(await page.locator('#tip').innerText(), new RegExp(method));
  await page.mouse.click(x, y);
  assert.equal(await selected(page), call, 'a click selects the call under the pointer');
  await page.locator('#detail h2').waitFor();
  assert.match(await page.locator('#detail h2').innerText(), new RegExp(method));
  await page.keyboard.press('Escape');
  assert.equal(await selected(page), -1);
  // Folding a connection takes its objects away.
  const rows = () => page.evaluate(() => window.app.timeline.rows.now().length);
  const all = await rows();
  await page.getByRole('button', { name: 'Fold all', exact: true }).click();
  assert.equal(await rows(), await page.evaluate(() => window.app.store.connections.size));
  await page.getByRole('button', { name: 'Unfold all' }).click();
  assert.equal(await rows(), all);
}

async function search(page) {
  const word = await page.evaluate(() => window.app.store.methodName(window.app.store.size - 1));
  const expected = await page.evaluate((method) => window.app.store.method.filter((m) => window.app.store.methods[m] === method).length, word);
  await page.keyboard.press('/');
  await page.keyboard.type(word);
  await page.waitForFunction(() => document.getElementById('hits').textContent.includes('call'));
  assert.ok(await page.evaluate(() => window.app.filter.hits().length) >= expected);
  await page.keyboard.press('Enter');
  const first = await selected(page);
  assert.ok(first >= 0, 'Enter goes to the first hit');
  const isSeen = await page.evaluate(() => {
    const { timeline, store, selected: i } = window.app;
    return store.endOf(i) >= timeline.t0 && store.at[i] <= timeline.t1;
  });
  assert.ok(isSeen, 'the hit is brought into sight');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  assert.equal(await page.evaluate(() => window.app.filter.isOn), false, 'Escape takes all of it back');
}

async function arrows(page) {
  const calls = await page.evaluate(() => {
    const { store } = window.app;
    const cause = store.seq.findIndex((seq) => store.changesBy.has(seq) && store.fetchesBy.has(seq));
    return { cause, fetch: cause < 0 ? -1 : store.fetchesBy.get(store.seq[cause])[0] };
  });
  assert.ok(calls.cause >= 0, 'the recording has a selection and what was fetched for it');
  const drawn = (i) => page.evaluate((call) => {
    const { arrows: all, marks } = arrowsOf(window.app.store, window.app.timeline.rows, call);
    return { arrows: all.length, marks: marks.length, calls: all.map((arrow) => arrow.call) };
  }, i);
  const { arrows: number, marks, calls: to } = await drawn(calls.cause);
  assert.ok(number > 0 && marks > 0 && to.includes(calls.fetch), 'arrows lead to the objects and to their fetches');
  assert.ok((await drawn(calls.fetch)).calls.includes(calls.cause), 'and back');
  await page.evaluate((i) => window.app.select(i, { reveal: true }), calls.fetch);
  await page.locator('#detail .why button').first().click();
  assert.equal(await selected(page), calls.cause, 'the panel leads to the cause');
  await page.locator('#detail .caused li button').first().click();
  assert.equal(await selected(page), calls.fetch, 'and to what it caused');
  await page.evaluate((i) => {
    window.app.select(i);
    window.app.timeline.zoomTo(i);
  }, calls.cause);
  await settled(page);
}

async function detail(page) {
  const call = await page.evaluate(() => {
    const { store } = window.app;
    return store.seq.findIndex((_, i) => store.methodName(i) === 'GetLayout' && store.error[i] < 0);
  });
  await page.evaluate((i) => window.app.select(i), call);
  const tree = page.locator('#detail [role=tree]');
  await tree.waitFor();
  const lines = () => tree.getByRole('treeitem').count();
  const folded = tree.locator('[aria-expanded=false]').first();
  if (await folded.count()) {
    const before = await lines();
    await folded.click();
    assert.ok(await lines() > before, 'children are made when their parent is opened');
  }
  await tree.getByRole('treeitem').first().focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('ArrowLeft');
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('role')), 'treeitem');
  const exact = await page.evaluate(() => {
    const value = treeParse('{"n":[12345678901234567890,1.50,7]}');
    return [JSON.stringify(value), ...[...jsonTree(value, '').querySelectorAll('.tree-number')].map((node) => node.textContent)];
  });
  assert.deepEqual(exact, ['{"n":[12345678901234567890,1.50,7]}', '12345678901234567890', '1.50', '7'], 'numbers stay as they are written');
  await page.getByRole('button', { name: 'copy all' }).click();
  await page.waitForFunction(() => document.getElementById('status').textContent === 'copied');
  await page.getByRole('tab', { name: 'Request' }).click();
  await page.locator('#detail [role=tree], #detail .said pre').first().waitFor();
  await page.getByRole('tab', { name: 'Raw frames' }).click();
  const raw = await page.locator('#detail pre').allInnerTexts();
  assert.equal(raw.length, 2);
  assert.equal(JSON.parse(raw[0]).method, 'GetLayout', 'the request is there as it was written');
  assert.equal(JSON.parse(raw[0]).id, JSON.parse(raw[1]).id, 'and its answer');
  await page.getByRole('tab', { name: 'Answer' }).click();
}

async function tables(page, picture) {
  const size = await page.evaluate(() => window.app.store.size);
  await page.getByRole('tab', { name: /^Calls/ }).click();
  const grid = page.getByRole('grid', { name: 'Calls' });
  assert.equal(Number(await grid.getAttribute('aria-rowcount')), size);
  assert.ok(await grid.getByRole('row').count() < 80, 'only rows that are seen are in the page');
  await grid.getByRole('button', { name: 'took' }).click();
  const times = () => page.evaluate(() => {
    const table = window.app.views[1].node;
    return [...table.querySelectorAll('[data-row]')].map((row) => row.children[4].textContent);
  });
  const slowest = await page.evaluate(() => timeWords(Math.max(...window.app.store.wait.map((_, i) => window.app.store.latency(i)))));
  assert.equal((await times())[0], slowest, 'the slowest call is first');
  await grid.focus();
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  assert.ok(await selected(page) >= 0);
  await picture('calls-light');
  await page.keyboard.press('Escape');
  for (const name of ['Methods', 'Objects']) {
    await page.getByRole('tab', { name: new RegExp(`^${name}`) }).click();
    const table = page.getByRole('grid', { name });
    const first = table.locator('[data-row="0"]');
    const count = Number((await first.locator('.cell').nth(name === 'Methods' ? 1 : 4).innerText()).replace(/\D/g, ''));
    if (name === 'Methods') await picture('methods-light');
    await first.click();
    assert.equal(await view(page), 'calls', 'a row leads to its calls');
    assert.equal(await page.evaluate(() => window.app.filter.hits().length), count, `${name} count what they lead to`);
    await page.getByRole('button', { name: 'clear' }).click();
  }
  await page.getByRole('tab', { name: /^Errors/ }).click();
  const failed = page.getByRole('grid', { name: 'Errors' }).locator('[data-row="0"]');
  if (await page.evaluate(() => window.app.store.failed)) {
    await failed.click();
    assert.ok(await page.evaluate(() => window.app.filter.hits().length) > 0);
    await page.getByRole('button', { name: 'clear' }).click();
  }
  await page.getByLabel('failed', { exact: true }).check();
  assert.ok(await page.evaluate(() => [...window.app.filter.hits()].every((i) => window.app.store.error[i] >= 0 || window.app.store.wait[i] < 0)));
  await page.getByLabel('failed', { exact: true }).uncheck();
  await page.getByLabel('Slower than').selectOption('10000');
  assert.ok(await page.evaluate(() => [...window.app.filter.hits()].every((i) => window.app.store.latency(i) >= 10_000)));
  await page.getByLabel('Slower than').selectOption('0');
}

async function charts(page, picture) {
  await page.getByRole('tab', { name: 'Charts' }).click();
  await settled(page);
  const words = await page.locator('.chart canvas').evaluateAll((all) => all.map((canvas) => canvas.getAttribute('aria-label')));
  assert.equal(words.length, 4);
  assert.match(words[0], /half within/);
  await picture('charts-light');
  const box = await page.locator('.chart canvas').first().boundingBox();
  await page.mouse.click(box.x + box.width * 0.3, box.y + 150);
  assert.equal(await view(page), 'calls', 'a bar leads to the calls as slow');
  await page.getByRole('button', { name: 'clear' }).click();
}

async function findings(page, picture) {
  await page.getByRole('tab', { name: /^Findings/ }).click();
  const number = await page.evaluate(() => window.app.store.findings.length);
  assert.ok(number > 0, 'rules have found something');
  await picture('findings-light');
  const link = page.locator('.finding li button').first();
  await link.click();
  assert.ok(await selected(page) >= 0, 'a finding leads to its calls');
  await page.keyboard.press('Escape');
  await page.getByRole('tab', { name: /^Session/ }).click();
  await page.getByRole('grid', { name: 'Connections' }).locator('[data-row="0"]').waitFor();
  assert.ok(await page.getByRole('grid', { name: 'Selections' }).locator('[data-row="0"]').count());
  await picture('session-light');
}

async function keyboard(page) {
  await page.keyboard.press('1');
  assert.equal(await view(page), 'timeline');
  await page.locator('#timeline').focus();
  await page.keyboard.press('0');
  const whole = await span(page);
  await page.keyboard.press('+');
  assert.ok(await span(page) < whole * 0.6);
  await page.keyboard.press('d');
  await page.keyboard.press('a');
  await page.keyboard.press('-');
  await page.keyboard.press('0');
  assert.equal(await span(page), whole);
  await page.keyboard.press('ArrowRight');
  const first = await selected(page);
  assert.ok(first >= 0, 'an arrow selects a call');
  await page.keyboard.press('ArrowDown');
  assert.notEqual(await selected(page), first, 'another one goes to the next row');
  assert.ok((await page.locator('#status').textContent()).length > 0, 'and says which');
  await page.keyboard.press('Enter');
  assert.ok(await page.evaluate(() => document.getElementById('detail').contains(document.activeElement)), 'Enter goes to the call');
  await page.keyboard.press('Escape');
  await page.keyboard.press('?');
  assert.ok(await page.locator('#keys').isVisible(), '? shows the keys');
  await page.keyboard.press('Escape');
  assert.ok(!(await page.locator('#keys').isVisible()));
  await page.keyboard.press('e');
  assert.ok(await page.getByLabel('failed', { exact: true }).isChecked());
  await page.keyboard.press('e');
  // Whoever has only Tab gets everywhere.
  await page.evaluate(() => document.activeElement.blur());
  const reached = new Set();
  for (let step = 0; step < 40; step += 1) {
    await page.keyboard.press('Tab');
    reached.add(await page.evaluate(() => document.activeElement.id || document.activeElement.getAttribute('aria-label') || ''));
  }
  for (const place of ['search', 'timeline', 'tab-timeline', 'theme', 'help']) assert.ok(reached.has(place), `Tab reaches ${place}`);
  // The link past the tabs is seen only while it has the focus, and is not to be in the pictures.
  await page.locator('#timeline').focus();
}

async function theme(page, picture) {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.keyboard.press('t');
  const dark = await ground();
  assert.notEqual(light, dark);
  await page.evaluate(() => {
    const { store } = window.app;
    const cause = store.seq.findIndex((seq) => store.changesBy.has(seq) && store.fetchesBy.has(seq));
    window.app.select(cause);
    window.app.timeline.zoomTo(cause);
  });
  await picture('timeline-dark');
  await page.keyboard.press('6');
  await picture('charts-dark');
  await page.keyboard.press('1');
}

/** Text has a contrast of 4.5 at least, in both looks. */
async function contrast(page) {
  for (let round = 0; round < 2; round += 1) {
    const low = await page.evaluate(() => {
      const style = getComputedStyle(document.documentElement);
      const light = (name) => {
        const hex = style.getPropertyValue(`--${name}`).trim();
        const parts = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
      };
      const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
      const pairs = ['text', 'dim', 'accent', 'error', 'write-transfer', 'string', 'number'].flatMap((name) => ['bg', 'bg2'].map((ground) => [name, ground]));
      pairs.push(['error', 'failed-ground'], ['text', 'current'], ['text', 'failed-ground'], ['accent', 'current']);
      return pairs.map(([a, b]) => [a, b, ratio(a, b)]).filter(([, , value]) => value < 4.5);
    });
    assert.deepEqual(low, []);
    await page.keyboard.press('t');
  }
}

async function narrow(page, picture) {
  await page.keyboard.press('Escape');
  await page.keyboard.press('t');
  await page.setViewportSize({ width: 390, height: 800 });
  await page.evaluate(() => window.app.timeline.fit());
  await settled(page);
  await picture('timeline-narrow');
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 390, 'nothing sticks out');
  await page.evaluate(() => window.app.select(2));
  const box = await page.locator('#detail').boundingBox();
  assert.deepEqual([box.x, box.width], [0, 390], 'a call has the whole screen');
  await picture('detail-narrow');
  await page.getByRole('button', { name: 'Close' }).click();
  assert.ok(!(await page.locator('#detail').isVisible()));
  await page.setViewportSize({ width: 1400, height: 900 });
}

/** How soon something is seen, and how long frames take while the timeline is zoomed and moved. */
async function measure(page) {
  const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1);
  const ready = await page.evaluate(() => performance.getEntriesByType('mark').find(({ name }) => name === 'shown')?.startTime ?? -1);
  const canvas = await page.locator('#timeline canvas').boundingBox();
  await page.evaluate(() => {
    window.app.timeline.frames.length = 0;
  });
  const frames = page.evaluate(() => new Promise((resolve) => {
    const times = [];
    let before = performance.now();
    const tick = (now) => {
      times.push(now - before);
      before = now;
      if (times.length < 150) requestAnimationFrame(tick);
      else resolve(times.slice(2));
    };
    requestAnimationFrame(tick);
  }));
  await page.mouse.move(canvas.x + canvas.width * 0.6, canvas.y + 10);
  for (let step = 0; step < 60; step += 1) await page.mouse.wheel(0, step % 20 < 14 ? -50 : 90);
  const between = (await frames).sort((a, b) => a - b);
  const drawn = (await page.evaluate(() => window.app.timeline.frames)).sort((a, b) => a - b);
  const at = (list, share) => Number((list[Math.floor((list.length - 1) * share)] ?? 0).toFixed(1));
  const begin = Date.now();
  await page.keyboard.press('2');
  await page.getByRole('grid', { name: 'Calls' }).locator('[data-row="0"]').waitFor();
  await page.locator('[role=grid][aria-label=Calls]').evaluate((node) => {
    node.scrollTop = node.scrollHeight;
  });
  await settled(page);
  const figures = {
    calls: await page.evaluate(() => window.app.store.size),
    'first paint, ms': Math.round(paint),
    'calls shown, ms': Math.round(ready),
    'drawing a frame while zooming, median, ms': at(drawn, 0.5),
    'drawing a frame while zooming, 95 %, ms': at(drawn, 0.95),
    'between frames while zooming, median, ms': at(between, 0.5),
    'list opened and scrolled to its end, ms': Date.now() - begin,
    'nodes in the page': await page.evaluate(() => document.querySelectorAll('*').length),
  };
  assert.ok(drawn.length > 10, 'the wheel has moved the timeline');
  assert.ok(figures['drawing a frame while zooming, 95 %, ms'] < 250, 'it does not stutter');
  assert.ok(figures['calls shown, ms'] < 30_000);
  assert.ok(figures['nodes in the page'] < 5_000, 'there is no node for each call');
  return figures;
}

main().catch((error) => {
  console.error(`report: ${error.stack ?? error}`);
  process.exitCode = 1;
});
