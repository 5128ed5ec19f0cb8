// A visit of the page in a browser, for whatever wants to watch one.

import { execFileSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { within } from './harness.mjs';

const LIMIT = 30_000;
// A page that has not changed for so long has nothing under way.
const QUIET = 400;

function find(name) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // The next folder may have it.
    }
  }
  return undefined;
}

export function executable() {
  const found = process.env.CHROMIUM || find('chromium') || find('chromium-browser') || find('google-chrome');
  if (!found) {
    throw new Error('no browser: install Debian\'s package chromium (apt-get install chromium), or name one in CHROMIUM');
  }
  return found;
}

/** Makes a home folder whose certificate store trusts a root. */
function trust(home, file) {
  const store = join(home, '.pki', 'nssdb');
  mkdirSync(store, { recursive: true });
  const certutil = (...args) => execFileSync('certutil', ['-d', `sql:${store}`, ...args], { stdio: 'pipe' });
  try {
    certutil('-N', '--empty-password');
    certutil('-A', '-n', 'interop', '-t', 'C,,', '-i', file);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
    throw new Error('no certutil: install Debian\'s package libnss3-tools (apt-get install libnss3-tools)');
  }
}

/** Waits until the page has stopped changing, and returns it as HTML. */
async function settled(page) {
  const html = await within(page.evaluate((quiet) => new Promise((resolve) => {
    let timer;
    const observer = new MutationObserver(() => rest());
    const rest = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        observer.disconnect();
        resolve(document.body.outerHTML);
      }, quiet);
    };
    observer.observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
    rest();
  }), QUIET), 'end of changes', LIMIT);
  // nebula.js draws numbers for its class names and for the id of a chart's cell, which stand for nothing.
  // Nor how often a chart was drawn until it was quiet: changes that come close together are drawn once.
  return html.replace(/\bnjs-[0-9a-z]+-/g, 'njs-').replace(/id="njs-[0-9a-z]+"/g, 'id="njs"')
    .replace(/ data-render-count="\d+"/g, '');
}

/** What the page shows, and what it has got from the engine. */
async function look(page, pictures, name) {
  const html = await settled(page);
  const text = await page.locator('body').innerText();
  const values = JSON.parse(await page.locator('#values').textContent());
  if (pictures) {
    // Nothing that moves or blinks: one picture would have it and another not.
    await page.screenshot({ path: `${pictures}-${name}.png`, animations: 'disabled', caret: 'hide' });
  }
  return { html, text, values };
}

/** Waits until what the page has got from the engine fulfils a condition. */
function got(page, condition) {
  const fulfilled = `(() => {
    const failure = document.getElementById('failure')?.textContent;
    if (failure) throw new Error(failure);
    const text = document.getElementById('values')?.textContent;
    return Boolean(text) && (${condition})(JSON.parse(text));
  })()`;
  return page.waitForFunction(fulfilled, undefined, { timeout: LIMIT });
}

/** Fills the form that stands before the page: once wrongly, then as it should be. */
async function logIn(page, login) {
  const [user, password] = [login.slice(0, login.indexOf(':')), login.slice(login.indexOf(':') + 1)];
  for (const attempt of [`not ${password}`, password]) {
    await page.locator('#username-input').fill(user);
    await page.locator('#password-input').fill(attempt);
    await page.locator('#loginbtn').click();
    // How it goes on, "the password is …", is taken for a password by a recorder.
    if (attempt !== password) await page.locator('#complaint', { hasText: 'The user name' }).waitFor({ timeout: LIMIT });
  }
}

/** The whole visit: load, look, select a region, look, confirm, look. */
async function visit(page, url, { login, pictures }) {
  const answer = await page.goto(url, { timeout: LIMIT });
  if (!answer?.ok()) throw new Error(`${url}: ${answer?.status()} ${(await answer?.text().catch(() => ''))?.slice(0, 500)}`);
  if (login) await logIn(page, login);
  await got(page, (values) => values.rows.length > 0);
  assert.equal(page.url(), url, 'the page is where it was asked for');
  await page.locator('#table').getByText('North', { exact: true }).first().waitFor({ timeout: LIMIT });
  const chart = await page.evaluate(() => performance.now());
  const loaded = await look(page, pictures, '1-loaded');
  assert.equal(loaded.values.rows.length, loaded.values.size.qcy);
  assert.equal(new Set(loaded.values.rows.map(([region]) => region[0])).size, 4, 'all regions are shown');

  await page.locator('#table').getByText('North', { exact: true }).first().click({ timeout: LIMIT });
  await got(page, (values) => values.modal && values.rows.every(([region]) => region[0] === 'North'));
  const selecting = await look(page, pictures, '2-selecting');

  await page.getByRole('button', { name: 'Confirm selection' }).click({ timeout: LIMIT });
  await got(page, (values) => !values.modal);
  const selected = await look(page, pictures, '3-selected');
  assert.deepEqual(selected.values.rows.map(([region]) => region[0]), Array(selected.values.size.qcy).fill('North'));
  assert.notEqual(selected.values.total, loaded.values.total, 'the sum follows the selection');
  assert.ok(!selected.text.includes('South'), 'the table follows the selection');
  // A script cannot read the session cookie, wherever it comes from.
  const cookies = await page.evaluate(() => document.cookie);
  const user = await page.evaluate(() => window.user);
  return { chart, seen: { loaded, selecting, selected, cookies, user } };
}

/**
 * Opens a browser, makes the visit, and returns what was seen: `chart` (how many milliseconds it took), `seen`, and the browser's
 * `version`. Fails if the browser complains of anything.
 *
 * `options` are `login`, `pictures`, `trust` (a root certificate), `proxy`, and `context`, more options for Playwright; `watch` is
 * called with the page before anything is loaded, and what it returns before the browser is closed.
 */
export async function browse(url, options = {}, watch = async () => async () => {}) {
  const executablePath = executable();
  const home = mkdtempSync(join(tmpdir(), 'qix-browser-'));
  let context;
  try {
    if (options.trust) trust(home, options.trust);
    context = await chromium.launchPersistentContext(join(home, 'profile'), {
      executablePath,
      // No sandbox: a container lets nobody make one. The pages are our own.
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
      env: { ...process.env, HOME: home },
      proxy: options.proxy ? { server: options.proxy } : undefined,
      viewport: { width: 1000, height: 700 },
      reducedMotion: 'reduce',
      timeout: 60_000,
      ...options.context,
    });
    const page = context.pages()[0] ?? await context.newPage();
    const complaints = [];
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(`console: ${message.text()}`);
    });
    page.on('pageerror', (error) => complaints.push(`page: ${error.stack}`));
    page.on('requestfailed', (request) => complaints.push(`${request.url()}: ${request.failure()?.errorText}`));
    const sockets = [];
    page.on('websocket', (socket) => sockets.push(socket.url()));
    const watched = await watch(page);
    let visited;
    try {
      visited = await visit(page, url, options);
    } catch (error) {
      if (options.pictures) await page.screenshot({ path: `${options.pictures}-failure.png` }).catch(() => {});
      throw complaints.length ? new Error(`${error.message}\n${complaints.join('\n')}`) : error;
    }
    assert.deepEqual(complaints, [], 'the browser complains');
    assert.equal(sockets.length, 1, 'one socket');
    assert.equal(new URL(sockets[0]).host, new URL(url).host, 'the socket goes where the page came from');
    await watched();
    return { ...visited, version: context.browser()?.version() ?? 'browser' };
  } finally {
    await context?.close().catch(() => {});
    rmSync(home, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Writes what was seen, if it is wanted, and a line about it. */
export function report({ chart, seen, version }, json) {
  if (json) writeFileSync(json, `${JSON.stringify(seen, null, 1)}\n`);
  console.log(`${version}: ${seen.loaded.values.size.qcy} rows, then ${seen.selected.values.size.qcy}; chart after ${Math.round(chart)} ms`);
}
