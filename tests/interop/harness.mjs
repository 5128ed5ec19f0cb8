// What the checks share: sessions that are closed again, waits that end, and the report.

import { createRequire } from 'node:module';
import { writeFileSync } from 'node:fs';
import assert from 'node:assert/strict';
import WebSocket from 'ws';
import enigma from 'enigma.js';

const schema = createRequire(import.meta.url)('enigma.js/schemas/12.2027.0.json');
const LIMIT = 10_000;

/** Waits for a promise, but not for ever; `what` names it in the failure. */
export function within(promise, what, limit = LIMIT) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} within ${limit} ms`)), limit);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Waits for the next event of an enigma.js emitter; call it before what leads to the event. */
export function next(emitter, event) {
  return within(new Promise((resolve) => { emitter.once(event, (...args) => resolve(args)); }), `event ${event}`);
}

/** Returns how a call failed: its code, and the parameter if the engine sent one. */
export async function failure(promise) {
  try {
    await within(promise, 'answer');
  } catch (error) {
    if (error.code === undefined) throw error;
    return { code: error.code, message: error.message };
  }
  throw new Error('the call succeeded, but should have failed');
}

/** One check's view of the endpoint. */
class Context {
  constructor(base, name, options) {
    this.base = base;
    this.name = name;
    this.options = options;
    this.sessions = [];
  }

  url({ app = 'Sales.qvf', identity = this.name, ttl = 0 } = {}) {
    return `${this.base}/app/${encodeURIComponent(app)}/identity/${encodeURIComponent(identity)}/ttl/${ttl}`;
  }

  /** Returns an enigma.js session that is not open yet. The same name gives the same engine session in each run. */
  session({ config = {}, ...place } = {}) {
    const session = enigma.create({
      schema,
      url: this.url(place),
      createSocket: (url) => new WebSocket(url),
      ...config,
    });
    this.sessions.push(session);
    return session;
  }

  async global(options) {
    const session = this.session(options);
    return { session, global: await within(session.open(), 'open') };
  }

  async doc(options) {
    const { session, global } = await this.global(options);
    return { session, global, doc: await within(global.openDoc(options?.app ?? 'Sales.qvf'), 'OpenDoc') };
  }

  async end() {
    for (const session of this.sessions) {
      await within(Promise.resolve(session.close()), 'close', 2000).catch(() => {});
    }
  }
}

/** Runs the checks one after the other; returns the exit code. */
export async function run(checks, args) {
  const flags = args.filter((arg) => arg.startsWith('--'));
  const at = args.indexOf('--json');
  const file = at >= 0 ? args[at + 1] : undefined;
  const [base] = args.filter((arg, index) => !arg.startsWith('--') && (at < 0 || index !== at + 1));
  if (!base || (at >= 0 && !file)) {
    console.error('usage: node enigma.mjs ws://HOST:PORT [--json FILE] [--any-order] [--only=PART]');
    return 2;
  }
  const only = flags.find((flag) => flag.startsWith('--only='))?.slice(7);
  const values = {};
  let [passed, failed] = [0, 0];
  for (const [index, [title, check]] of Object.entries(Object.entries(checks))) {
    const number = String(Number(index) + 1).padStart(2, '0');
    if (only && !title.includes(only)) continue;
    const context = new Context(base.replace(/\/+$/, ''), `check-${number}`, { anyOrder: flags.includes('--any-order') });
    try {
      values[title] = JSON.parse(JSON.stringify((await within(check(context), title, 2 * LIMIT)) ?? null));
      passed += 1;
      console.log(`ok ${number} ${title}`);
    } catch (error) {
      failed += 1;
      const where = error instanceof assert.AssertionError ? error.message : error.stack ?? String(error);
      console.log(`not ok ${number} ${title}\n    ${where.replaceAll('\n', '\n    ')}`);
    } finally {
      await context.end();
    }
  }
  if (file) writeFileSync(file, `${JSON.stringify(values, null, 1)}\n`);
  console.log(`checks: ${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}
