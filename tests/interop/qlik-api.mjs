// @qlik/api against a QIX endpoint: node qlik-api.mjs ws://HOST:PORT [--auto-resume] [--json FILE] [--only=PART]
//
// The package has two runtimes: enigma.js underneath, and one of its own, chosen with --auto-resume. Both are given the same
// checks and must get the same values.

import assert from 'node:assert/strict';
import { openAppSession } from '@qlik/api/qix';
import { failure, next, run, within } from './harness.mjs';

/** One check's view of the endpoint. */
class Context {
  constructor(base, name, { autoResume }) {
    this.host = base.replace(/^ws/, 'http');
    this.identity = `${autoResume ? 'resuming' : 'plain'}-${name}`;
    this.autoResume = autoResume;
    this.sessions = [];
  }

  session({ app = 'Sales.qvf', identity = this.identity } = {}) {
    const session = openAppSession({
      appId: app,
      identity,
      ttlSeconds: 0,
      autoResume: this.autoResume,
      // Given outright, the platform is not asked for over HTTP.
      hostConfig: { host: this.host, authType: 'apikey', apiKey: 'no-secret', forceIsWindows: false },
    });
    this.sessions.push(session);
    return session;
  }

  doc(options) {
    return within(this.session(options).getDoc(), 'getDoc');
  }

  async end() {
    for (const session of this.sessions) await within(session.close(), 'close', 2000).catch(() => {});
  }
}

const texts = (pages) => pages.flatMap((page) => page.qMatrix.map((row) => row.map((cell) => cell.qText)));
const states = (layout) => layout.qListObject.qDataPages[0].qMatrix.map(([cell]) => `${cell.qText}:${cell.qState}`);
const table = (id) => ({
  qInfo: { qId: id, qType: 'table' },
  qHyperCubeDef: {
    qDimensions: ['Region', 'Year'].map((field) => ({
      qDef: { qFieldDefs: [field], qSortCriterias: [{ qSortByAscii: 1 }] },
    })),
    qMeasures: [{ qDef: { qDef: 'Sum(Sales)' } }],
    qInitialDataFetch: [{ qTop: 0, qLeft: 0, qWidth: 3, qHeight: 20 }],
  },
});

const checks = {
  'open an app': async (t) => {
    const doc = await t.doc();
    const { qTitle, qHasData } = await doc.getAppLayout();
    assert.equal(qTitle, 'Sales');
    return { id: doc.id, qTitle, qHasData };
  },

  'the global object of an app': async (t) => {
    const doc = await t.doc();
    const { qComponentVersion } = await doc.global.engineVersion();
    assert.match(qComponentVersion, /^12\./);
    return { qComponentVersion, apps: (await doc.global.getDocList()).map((entry) => entry.qDocId) };
  },

  'two sessions of one app share it': async (t) => {
    const [one, two] = await Promise.all([t.doc(), t.doc()]);
    const [list, same] = [await one.getObject('LB01'), await two.getObject('LB01')];
    await list.selectListObjectValues('/qListObjectDef', [0], false);
    return { shared: one === two, states: states(await same.getLayout()) };
  },

  'list of sheets': async (t) => {
    const doc = await t.doc();
    const list = await doc.createSessionObject({
      qInfo: { qId: 'sheets', qType: 'SheetList' },
      qAppObjectListDef: { qType: 'sheet', qData: { rank: '/rank', cells: '/cells', title: '/qMetaDef/title' } },
    });
    const { qItems } = (await list.getLayout()).qAppObjectList;
    assert.equal(qItems.length, 2);
    return qItems.map((item) => [item.qInfo.qId, item.qMeta.title, item.qData]);
  },

  'children of a sheet': async (t) => {
    const doc = await t.doc();
    const sheet = await doc.getObject('SH02');
    const infos = await sheet.getChildInfos();
    const layout = await (await sheet.getChild(infos[0].qId)).getLayout();
    return { infos, title: layout.title, total: layout.qHyperCube.qGrandTotalRow };
  },

  'hypercube': async (t) => {
    const doc = await t.doc();
    const object = await doc.createSessionObject(table('cube'));
    const { qHyperCube } = await object.getLayout();
    assert.deepEqual(qHyperCube.qSize, { qcx: 3, qcy: 12 });
    const page = { qTop: 4, qLeft: 0, qWidth: 3, qHeight: 2 };
    const more = await object.getHyperCubeData('/qHyperCubeDef', [page]);
    return { rows: texts(qHyperCube.qDataPages), more: texts(more), total: qHyperCube.qGrandTotalRow[0].qNum };
  },

  'layouts follow selections': async (t) => {
    const doc = await t.doc();
    const [list, chart] = [await doc.getObject('LB01'), await doc.getObject('CH01')];
    const seen = [];
    const look = async () => {
      const layout = await chart.getLayout();
      seen.push([states(await list.getLayout()), layout.qHyperCube.qGrandTotalRow, texts(layout.qHyperCube.qDataPages)]);
    };
    await look();
    for (const values of [[0], [1, 2], [2], []]) {
      const events = Promise.all([next(list, 'changed'), next(chart, 'changed')]);
      if (values.length) await list.selectListObjectValues('/qListObjectDef', values, false);
      else await doc.clearAll(false);
      await events;
      await look();
    }
    assert.notDeepEqual(seen[0], seen[1]);
    assert.deepEqual(seen[0], seen[4]);
    return seen;
  },

  'properties and patches': async (t) => {
    const doc = await t.doc();
    const object = await doc.createSessionObject({ qInfo: { qId: 'box', qType: 'box' }, title: 'one' });
    // The package patches what it gave out before, so the old values are copied.
    const before = structuredClone(await object.getProperties());
    // Only who has seen a layout is told that it changes.
    await object.getLayout();
    const changed = next(object, 'changed');
    await object.applyPatches([{ qOp: 'replace', qPath: '/title', qValue: '"two"' }], false);
    await changed;
    const after = await object.getProperties();
    assert.deepEqual([before.title, after.title], ['one', 'two']);
    return { before, after, layout: await object.getLayout() };
  },

  'many calls at once': async (t) => {
    const doc = await t.doc();
    const values = await within(Promise.all(Array.from({ length: 200 }, (_, n) => doc.evaluate(`${n}*2`))), 'answers');
    assert.deepEqual(values, Array.from({ length: 200 }, (_, n) => String(n * 2)));
    return values.length;
  },

  'a call that fails': async (t) => {
    const doc = await t.doc();
    return [await failure(doc.evaluate('Error(7009)')), await failure(doc.getVariableByName('missing'))];
  },

  'an object that closes': async (t) => {
    const doc = await t.doc();
    const object = await doc.createSessionObject({ qInfo: { qId: 'short', qType: 'box' } });
    const closed = next(object, 'closed');
    const destroyed = await doc.destroySessionObject('short');
    await closed;
    return destroyed;
  },

  'a large answer': async (t) => {
    const doc = await t.doc();
    const text = await doc.evaluate('Big(1000000)');
    return { length: text.length, distinct: new Set(text).size };
  },

  'fields': async (t) => {
    const doc = await t.doc();
    const field = await doc.getField('Year');
    const before = await doc.evaluate('Sum(Sales)');
    assert.equal(await field.selectValues([{ qText: '2023' }]), true);
    const after = await doc.evaluate('Sum(Sales)');
    return { cardinal: await field.getCardinal(), before, after };
  },
};

process.exit(await run(checks, process.argv.slice(2), Context));
