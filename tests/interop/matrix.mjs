// The calls that all clients make for the matrix of recordings and clients:
// node matrix.mjs ws://HOST:PORT CLIENT FILE, where CLIENT is enigma, enigma-plain, qlik-api or qlik-api-resume.
//
// What comes back is written to FILE as JSON, in the same form by every client. matrix.py and matrix.rs make the same calls.

import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { failure, next, within } from './harness.mjs';

const IDENTITY = 'matrix';
const PAGE = { qTop: 0, qLeft: 0, qWidth: 2, qHeight: 20 };
const CUBE = {
  qInfo: { qId: 'cube', qType: 'table' },
  qHyperCubeDef: {
    qDimensions: [{ qDef: { qFieldDefs: ['Region'], qSortCriterias: [{ qSortByAscii: 1 }] } }],
    qMeasures: [{ qDef: { qDef: 'Sum(Sales)' } }],
    qInitialDataFetch: [PAGE],
  },
};
const LIST = {
  qInfo: { qId: 'list', qType: 'list' },
  qListObjectDef: {
    qDef: { qFieldDefs: ['Region'], qSortCriterias: [{ qSortByAscii: 1 }] },
    qInitialDataFetch: [{ ...PAGE, qWidth: 1 }],
  },
};

const clients = {
  enigma: (base) => enigma(base, true),
  'enigma-plain': (base) => enigma(base, false),
  'qlik-api': (base) => qlikApi(base, false),
  'qlik-api-resume': (base) => qlikApi(base, true),
};

async function enigma(base, delta) {
  const [{ default: package_ }, { default: WebSocket }] = await Promise.all([import('enigma.js'), import('ws')]);
  const session = package_.create({
    schema: createRequire(import.meta.url)('enigma.js/schemas/12.2027.0.json'),
    url: `${base}/app/Sales.qvf/identity/${IDENTITY}/ttl/0`,
    createSocket: (url) => new WebSocket(url),
    protocol: { delta },
  });
  const global = await within(session.open(), 'open');
  return { session, global, doc: await within(global.openDoc('Sales.qvf'), 'OpenDoc') };
}

async function qlikApi(base, autoResume) {
  const { openAppSession } = await import('@qlik/api/qix');
  const session = openAppSession({
    appId: 'Sales.qvf',
    identity: IDENTITY,
    ttlSeconds: 0,
    autoResume,
    hostConfig: { host: base.replace(/^ws/, 'http'), authType: 'apikey', apiKey: 'no-secret', forceIsWindows: false },
  });
  const doc = await within(session.getDoc(), 'getDoc');
  return { session, doc, global: doc.global };
}

async function work({ global, doc }) {
  const values = {};
  values.version = (await global.engineVersion()).qComponentVersion;
  values.apps = (await global.getDocList()).map((entry) => entry.qDocId);
  values.title = (await doc.getAppLayout()).qTitle;
  const cube = await doc.createSessionObject(CUBE);
  const list = await doc.createSessionObject(LIST);
  const look = async (name) => {
    const [table, states] = [await cube.getLayout(), await list.getLayout()];
    values[name] = {
      rows: table.qHyperCube.qDataPages[0].qMatrix.map((row) => row.map((cell) => cell.qText)),
      states: states.qListObject.qDataPages[0].qMatrix.map(([cell]) => `${cell.qText}:${cell.qState}`),
    };
  };
  // A client may keep a layout until it hears that it is old.
  const heard = () => Promise.all([next(cube, 'changed'), next(list, 'changed')]);
  await look('all');
  let changed = heard();
  values.selected = await list.selectListObjectValues('/qListObjectDef', [1], false);
  await changed;
  await look('one');
  values.sum = await doc.evaluate('Sum(Sales)');
  changed = heard();
  await doc.clearAll(false);
  await changed;
  await look('all again');
  values.properties = (await cube.getProperties()).qHyperCubeDef.qMeasures[0].qDef.qDef;
  values.variable = (await doc.getVariableByName('vFactor')).id;
  values.error = (await failure(doc.evaluate('Error(7009)'))).message;
  values.destroyed = await doc.destroySessionObject('cube');
  return values;
}

const [base, client, file] = process.argv.slice(2);
if (!clients[client] || !file) {
  console.error(`usage: node matrix.mjs ws://HOST:PORT ${Object.keys(clients).join('|')} FILE`);
  process.exit(2);
}
const opened = await clients[client](base);
writeFileSync(file, JSON.stringify(await within(work(opened), 'end of the work', 20_000)));
await within(Promise.resolve(opened.session.close()), 'close', 2000).catch(() => {});
process.exit(0);
