// enigma.js sessions for replays of what another run has recorded: node sessions.mjs ws://HOST:PORT WHAT FILE, where WHAT is
//   states=1,2   selects each of the values, and reads after each; what was read is written by value, so that any order gives the same
//   plain        opens objects and reads them
//   attached     the same, then suspends and resumes while the engine keeps the session, and reads again
//   created      the same, then suspends and resumes when the engine has forgotten the session

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { Context } from './enigma-context.mjs';
import { next, within } from './harness.mjs';

const [base, what, file] = process.argv.slice(2);
if (!file) {
  console.error('usage: node sessions.mjs ws://HOST:PORT states=VALUE,…|plain|attached|created FILE');
  process.exit(2);
}

async function states(t, values) {
  const { doc } = await t.doc();
  const list = await doc.getObject('LB01');
  const seen = {};
  for (const value of values) {
    await list.selectListObjectValues('/qListObjectDef', [value], false);
    const { qListObject } = await list.getLayout();
    seen[value] = [qListObject.qDataPages[0].qMatrix.map(([cell]) => `${cell.qText}:${cell.qState}`), await doc.evaluate('Sum(Sales)')];
  }
  return seen;
}

async function resumed(t) {
  const anew = what === 'created';
  const { session, doc } = await t.doc({ identity: anew ? 'anew' : 'kept', ttl: anew ? 0 : 60 });
  const chart = await doc.getObject('CH01');
  const kept = await doc.createSessionObject({ qInfo: { qId: 'kept', qType: 'x' }, title: 'kept' });
  const look = async () => [(await chart.getLayout()).qHyperCube.qGrandTotalRow, (await kept.getLayout()).title];
  const before = await look();
  if (what === 'plain') return before;
  await within(session.suspend(), 'suspend');
  const events = Promise.all([next(chart, 'changed'), next(kept, anew ? 'closed' : 'changed')]);
  await within(session.resume(!anew), 'resume');
  await events;
  if (anew) return [(await chart.getLayout()).qHyperCube.qGrandTotalRow, before[1]];
  assert.deepEqual(await look(), before);
  return before;
}

const context = new Context(base, 'sessions', {});
const work = what.startsWith('states=') ? states(context, what.slice(7).split(',').map(Number)) : resumed(context);
writeFileSync(file, JSON.stringify({ seen: await within(work, 'end of the work', 20_000) }));
await context.end();
process.exit(0);
