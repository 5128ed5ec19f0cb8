// What the checks of all clients share: waits that end, and the report.

import { writeFileSync } from 'node:fs';
import assert from 'node:assert/strict';

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

/** Runs the checks one after the other, each in a context of its own; returns the exit code. */
export async function run(checks, args, Context) {
  const flags = args.filter((arg) => arg.startsWith('--'));
  const at = args.indexOf('--json');
  const file = at >= 0 ? args[at + 1] : undefined;
  const [base] = args.filter((arg, index) => !arg.startsWith('--') && (at < 0 || index !== at + 1));
  if (!base || (at >= 0 && !file)) {
    console.error('usage: node CLIENT.mjs ws://HOST:PORT [--json FILE] [--any-order] [--auto-resume] [--only=PART]');
    return 2;
  }
  const only = flags.find((flag) => flag.startsWith('--only='))?.slice(7);
  const values = {};
  let [passed, failed] = [0, 0];
  for (const [index, [title, check]] of Object.entries(Object.entries(checks))) {
    const number = String(Number(index) + 1).padStart(2, '0');
    if (only && !title.includes(only)) continue;
    const context = new Context(base.replace(/\/+$/, ''), `check-${number}`, {
      anyOrder: flags.includes('--any-order'),
      autoResume: flags.includes('--auto-resume'),
    });
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
