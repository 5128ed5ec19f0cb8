// An enigma.js dashboard as people write them, with what goes wrong in such dashboards: node eyes.mjs ws://HOST:PORT
//
// What is recorded of it has something for each view: selections and what they invalidate, layouts that are fetched again,
// a reload, errors, and what `qix-proxy lint` looks for. Each part says what is wrong with it.

import { Context } from './enigma-context.mjs';
import { next, within } from './harness.mjs';

const [base] = process.argv.slice(2);
if (!base) {
  console.error('usage: node eyes.mjs ws://HOST:PORT');
  process.exit(2);
}

const page = (qTop, qHeight, qWidth = 2) => ({ qLeft: 0, qTop, qWidth, qHeight });
const dimension = (field) => ({ qDef: { qFieldDefs: [field], qSortCriterias: [{ qSortByAscii: 1 }] } });
const pause = (millis) => new Promise((resolve) => { setTimeout(resolve, millis); });
const cube = (title, fields, fetch) => ({
  qInfo: { qType: 'table' },
  qMetaDef: { title },
  title,
  qHyperCubeDef: {
    qDimensions: fields.map(dimension),
    qMeasures: [{ qDef: { qDef: 'Sum(Sales)', qLabel: 'Sales' } }],
    qInitialDataFetch: [fetch],
  },
});

/** Fetches what has changed, as a dashboard does. */
function follow(objects) {
  const pending = new Set();
  for (const object of objects) {
    object.on('changed', () => {
      const fetch = object.getLayout().catch(() => {}).finally(() => pending.delete(fetch));
      pending.add(fetch);
    });
  }
  return async () => {
    while (pending.size > 0) await within(Promise.all(pending), 'layouts');
  };
}

async function dashboard(t) {
  const { global, doc } = await t.doc({ identity: 'dashboard', ttl: 30 });
  await doc.getAppLayout();
  const selections = await doc.createSessionObject({ qInfo: { qType: 'CurrentSelections' }, qSelectionObjectDef: {} });
  const charts = await Promise.all(['CH01', 'CH11', 'CH12', 'LB01'].map((id) => doc.getObject(id)));
  const [byRegion, , , regions] = charts;
  await Promise.all([selections, ...charts].map((object) => object.getLayout()));
  const quiet = follow([selections, ...charts]);

  // As it should be: a selection, and each layout once after it.
  let changed = next(byRegion, 'changed');
  await regions.selectListObjectValues('/qListObjectDef', [0], false);
  await changed;
  await quiet();

  // A storm: five selections of which nobody sees the first four.
  for (const value of [1, 2, 0, 3, 1]) await regions.selectListObjectValues('/qListObjectDef', [value], false);
  await quiet();
  await doc.clearAll();
  await quiet();

  // Nothing has changed in between.
  for (let at = 0; at < 3; at += 1) await byRegion.getLayout();

  // One expression after the other, though none needs the one before.
  for (const field of ['Region', 'Product', 'Month', 'Year', 'Quantity', 'Sales']) {
    await doc.evaluate(`Count(DISTINCT ${field})`);
  }

  // A table for each selection, and none is ever destroyed.
  for (const product of ['A', 'B', 'C']) {
    const table = await doc.createSessionObject(cube('Sales by product', ['Product'], page(0, 20)));
    await table.getLayout();
    await doc.evaluate(`Count({<Product={"${product}*"}>} Sales)`);
  }

  // More rows than anybody reads, and then five at a time.
  const rows = await doc.createSessionObject(cube('All rows', ['Region', 'Product', 'Month', 'Year', 'Quantity'], page(0, 0)));
  await rows.getLayout();
  await rows.getHyperCubeData('/qHyperCubeDef', [page(0, 1500, 6)]);
  for (let top = 0; top < 40; top += 5) await rows.getHyperCubeData('/qHyperCubeDef', [page(top, 5, 6)]);
  await doc.destroySessionObject(rows.id);

  // The engine refuses, and nobody looks.
  for (const name of ['vGone', 'vLost', 'vNever']) await doc.getVariableByName(name).catch(() => {});
  // The recorder is told to abort this one; a client has to ask again.
  await regions.getListObjectData('/qListObjectDef', [page(0, 10, 1)]).catch(() => {});

  // A reload, and whoever waits for it asks far too often.
  const script = await doc.getScript();
  await doc.setScript(`${script}\nSleep 14;`);
  const reload = doc.doReload();
  for (let at = 0; at < 14; at += 1) {
    await global.getProgress(0);
    await pause(10);
  }
  await within(reload, 'reload');
  await quiet();

  // Other parts of the page open the same for themselves.
  for (let part = 0; part < 3; part += 1) {
    const other = await t.doc({ identity: 'dashboard', ttl: 30 });
    const twins = await Promise.all(['CH11', 'CH12'].map((id) => other.doc.getObject(id)));
    await Promise.all(twins.map((object) => object.getLayout()));
  }
  // Time in which the call that was aborted could have been made again.
  await pause(1100);
}

const context = new Context(base, 'eyes', {});
await within(dashboard(context), 'end of the dashboard', 30_000);
await context.end();
process.exit(0);
