// enigma.js against a QIX endpoint: node enigma.mjs ws://HOST:PORT [--json FILE] [--any-order] [--only=PART]
//
// Each check has sessions of its own and returns the values it got. The values are the same for every run against the
// same kind of engine, so they can be compared between a direct run, a run through a proxy, and a replay.
// --any-order accepts answers in any order where the check would otherwise insist on the overtaking.

import assert from 'node:assert/strict';
import { Context } from './enigma-context.mjs';
import { failure, next, run, within } from './harness.mjs';

const cube = (dimensions, measures, fetch, more = {}) => ({
  qDimensions: dimensions.map((field) => ({ qDef: { qFieldDefs: [field], qSortCriterias: [{ qSortByAscii: 1 }] } })),
  qMeasures: measures.map((definition) => ({ qDef: { qDef: definition } })),
  qInitialDataFetch: fetch ? [fetch] : [],
  ...more,
});
const texts = (pages) => pages.flatMap((page) => page.qMatrix.map((row) => row.map((cell) => cell.qText)));
const states = (layout) => layout.qListObject.qDataPages[0].qMatrix.map(([cell]) => `${cell.qText}:${cell.qState}`);
const page = (qTop, qLeft, qWidth, qHeight) => ({ qTop, qLeft, qWidth, qHeight });

const checks = {
  'engine version': async (t) => {
    const { global } = await t.global();
    const version = await global.engineVersion();
    assert.match(version.qComponentVersion, /^12\./);
    return version;
  },

  'greeting': async (t) => {
    const session = t.session();
    const greeting = next(session, 'notification:OnConnected');
    const global = await within(session.open(), 'open');
    // A proxy greets only once it has heard from the client.
    await global.engineVersion();
    const [params] = await greeting;
    assert.equal(params.qSessionState, 'SESSION_CREATED');
    return params;
  },

  'list of apps': async (t) => {
    const { global } = await t.global();
    const names = (await global.getDocList()).map((entry) => [entry.qDocId, entry.qTitle]);
    assert.ok(names.some(([id]) => id === 'Sales.qvf'));
    return names.filter(([id]) => ['Sales.qvf', 'Empty.qvf'].includes(id));
  },

  'open an app': async (t) => {
    const { doc } = await t.doc();
    const layout = await doc.getAppLayout();
    assert.equal(layout.qTitle, 'Sales');
    assert.equal(doc.id, 'Sales.qvf');
    return { id: doc.id, type: doc.type, title: layout.qTitle, hasData: layout.qHasData };
  },

  'list of sheets': async (t) => {
    const { doc } = await t.doc();
    const object = await doc.createSessionObject({
      qInfo: { qId: 'sheets', qType: 'SheetList' },
      qAppObjectListDef: { qType: 'sheet', qData: { rank: '/rank', cells: '/cells', title: '/qMetaDef/title' } },
    });
    const { qAppObjectList } = await object.getLayout();
    assert.equal(qAppObjectList.qItems.length, 2);
    return qAppObjectList.qItems.map((item) => [item.qInfo.qId, item.qMeta.title, item.qData]);
  },

  'children of a sheet': async (t) => {
    const { doc } = await t.doc();
    const sheet = await doc.getObject('SH02');
    const infos = await sheet.getChildInfos();
    const child = await sheet.getChild(infos[0].qId);
    const parent = await child.getParent();
    assert.equal(parent, sheet);
    const layout = await child.getLayout();
    assert.equal(layout.title, 'Sales of 4 regions');
    return { infos, title: layout.title, doubled: layout.doubled, total: layout.qHyperCube.qGrandTotalRow };
  },

  'an object and its properties': async (t) => {
    const { doc } = await t.doc();
    const object = await doc.getObject('CH01');
    const [info, props] = [await object.getInfo(), await object.getProperties()];
    assert.deepEqual(info, { qId: 'CH01', qType: 'barchart' });
    assert.equal(object.genericType, 'barchart');
    return { info, props };
  },

  'list object': async (t) => {
    const { doc } = await t.doc();
    const list = await doc.getObject('LB01');
    const layout = await list.getLayout();
    assert.equal(layout.qListObject.qSize.qcy, 4);
    assert.ok(states(layout).every((state) => state.endsWith(':O')));
    const [data] = await list.getListObjectData('/qListObjectDef', [page(1, 0, 1, 2)]);
    assert.equal(data.qMatrix.length, 2);
    return { states: states(layout), data };
  },

  'hypercube': async (t) => {
    const { doc } = await t.doc();
    const object = await doc.createSessionObject({
      qInfo: { qId: 'cube', qType: 'table' },
      qHyperCubeDef: cube(['Region', 'Year'], ['Sum(Sales)', '=Count(Product)', 'Avg(Quantity)'], page(0, 0, 5, 20)),
    });
    const { qHyperCube } = await object.getLayout();
    assert.deepEqual(qHyperCube.qSize, { qcx: 5, qcy: 12 });
    const total = qHyperCube.qDataPages[0].qMatrix.reduce((sum, row) => sum + row[2].qNum, 0);
    assert.equal(total, qHyperCube.qGrandTotalRow[0].qNum);
    return { rows: texts(qHyperCube.qDataPages), total, first: qHyperCube.qDataPages[0].qMatrix[0] };
  },

  'library items in a hypercube': async (t) => {
    const { doc } = await t.doc();
    const object = await doc.createSessionObject({
      qInfo: { qId: 'library', qType: 'table' },
      qHyperCubeDef: {
        qDimensions: [{ qLibraryId: 'DIM01' }],
        qMeasures: [{ qLibraryId: 'MEA01', qSortBy: { qSortByNumeric: -1 } }],
        qInterColumnSortOrder: [1, 0],
        qInitialDataFetch: [page(0, 0, 2, 10)],
      },
    });
    const { qHyperCube } = await object.getLayout();
    const numbers = qHyperCube.qDataPages[0].qMatrix.map((row) => row[1].qNum);
    assert.deepEqual(numbers, [...numbers].sort((a, b) => b - a));
    return { rows: texts(qHyperCube.qDataPages), title: qHyperCube.qMeasureInfo[0].qFallbackTitle };
  },

  'paging': async (t) => {
    const { doc } = await t.doc();
    const object = await doc.createSessionObject({
      qInfo: { qId: 'pages', qType: 'table' },
      qHyperCubeDef: cube(['Month', 'Product'], ['Sum(Sales)']),
    });
    const { qcx, qcy } = (await object.getLayout()).qHyperCube.qSize;
    const rows = [];
    for (let top = 0; top < qcy; top += 25) {
      rows.push(...texts(await object.getHyperCubeData('/qHyperCubeDef', [page(top, 0, qcx, 25)])));
    }
    assert.equal(rows.length, qcy);
    assert.equal(new Set(rows.map((row) => row.slice(0, 2).join('|'))).size, qcy);
    const error = await failure(object.getHyperCubeData('/qHyperCubeDef', [page(0, 0, 10, 1001)]));
    assert.equal(error.code, 7009);
    return { rows, error };
  },

  'answers out of order': async (t) => {
    const { doc } = await t.doc();
    const done = [];
    const call = (name, expression) => doc.evaluate(expression).then((value) => { done.push(name); return value; });
    const values = await within(
      Promise.all([call('slow', 'Slow(2)'), call('first', '1+1'), call('second', '2+2'), call('third', '3*3')]),
      'answers',
    );
    assert.deepEqual(values, ['2', '2', '4', '9']);
    if (!t.options.anyOrder) assert.deepEqual(done, ['first', 'second', 'slow', 'third']);
    return values;
  },

  'many calls at once': async (t) => {
    const { doc } = await t.doc();
    const values = await within(Promise.all(Array.from({ length: 200 }, (_, n) => doc.evaluate(`${n}*2`))), 'answers');
    assert.deepEqual(values, Array.from({ length: 200 }, (_, n) => String(n * 2)));
    return values.length;
  },

  'changed event': async (t) => {
    const { doc } = await t.doc();
    const [list, chart] = [await doc.getObject('LB01'), await doc.getObject('CH01')];
    await list.getLayout();
    const before = (await chart.getLayout()).qHyperCube.qGrandTotalRow[0].qNum;
    const events = Promise.all([next(list, 'changed'), next(chart, 'changed')]);
    assert.equal(await list.selectListObjectValues('/qListObjectDef', [1], false), true);
    await events;
    const layout = await list.getLayout();
    const after = (await chart.getLayout()).qHyperCube.qGrandTotalRow[0].qNum;
    assert.ok(after < before);
    return { states: states(layout), before, after };
  },

  'closed event': async (t) => {
    const { doc } = await t.doc();
    const parent = await doc.createSessionObject({ qInfo: { qId: 'parent', qType: 'box' } });
    const child = await parent.createChild({ qInfo: { qId: 'child', qType: 'text' } });
    const events = Promise.all([next(parent, 'closed'), next(child, 'closed')]);
    assert.equal(await doc.destroySessionObject('parent'), true);
    await events;
    return { again: await doc.destroySessionObject('parent') };
  },

  'delta and plain give the same': async (t) => {
    const walk = async (delta) => {
      const { session, doc } = await t.doc({ identity: `${t.name}-${delta}`, config: { protocol: { delta } } });
      let patched = 0;
      session.on('traffic:received', (frame) => { patched += frame.delta === true ? 1 : 0; });
      const [list, chart, field] = [await doc.getObject('LB01'), await doc.getObject('CH01'), await doc.getField('Product')];
      const seen = [];
      const look = async () => seen.push([await list.getLayout(), await chart.getLayout(), await doc.evaluate('Sum(Sales)')]);
      await look();
      for (const values of [[0], [1, 2], [2], []]) {
        await list.selectListObjectValues('/qListObjectDef', values, false);
        await look();
      }
      await field.select('*a*');
      await look();
      await look();
      await doc.back();
      await look();
      return { seen, patched };
    };
    const [withDelta, plain] = [await walk(true), await walk(false)];
    assert.deepEqual(withDelta.seen, plain.seen);
    assert.equal(plain.patched, 0);
    return plain.seen.map(([list, chart, sum]) => [states(list), texts(chart.qHyperCube.qDataPages), sum]);
  },

  'pages under delta': async (t) => {
    const { doc } = await t.doc();
    const chart = await doc.getObject('CH01');
    const pages = [];
    for (const top of [0, 2, 0, 3, 3]) {
      pages.push(texts(await chart.getHyperCubeData('/qHyperCubeDef', [page(top, 0, 2, 2)])));
    }
    assert.deepEqual(pages[0], pages[2]);
    assert.deepEqual(pages[3], pages[4]);
    assert.equal(pages[3].length, 1);
    return pages;
  },

  'field selections': async (t) => {
    const { doc } = await t.doc();
    const [region, year] = [await doc.getField('Region'), await doc.getField('Year')];
    const sums = [await doc.evaluate('Sum(Sales)')];
    assert.equal(await region.select('*th'), true);
    sums.push(await doc.evaluate('Sum(Sales)'), await doc.evaluate("Concat(DISTINCT Region, ',')"));
    assert.equal(await year.selectValues([{ qIsNumeric: true, qNumber: 2024 }]), true);
    sums.push(await doc.evaluate('Sum(Sales)'));
    assert.equal(await region.lock(), true);
    assert.equal(await region.clear(), false);
    await region.unlock();
    assert.equal(await region.clear(), true);
    sums.push(await doc.evaluate('Sum(Sales)'));
    assert.equal(await region.select('nowhere'), false);
    return { sums, cardinal: await region.getCardinal() };
  },

  'two sockets share a session': async (t) => {
    const one = await t.doc();
    const two = t.session();
    const greeting = next(two, 'notification:OnConnected');
    const global = await within(two.open(), 'open');
    const doc = await global.getActiveDoc();
    const [{ qSessionState }] = await greeting;
    assert.equal(qSessionState, 'SESSION_ATTACHED');
    const list = await doc.getObject('LB01');
    const changed = next(list, 'changed');
    const before = await list.getLayout();
    const field = await one.doc.getField('Region');
    assert.equal(await field.select('West'), true);
    await changed;
    const after = await list.getLayout();
    assert.ok(states(after).includes('West:S'));
    return { qSessionState, before: states(before), after: states(after) };
  },

  'app not found': async (t) => {
    const { global } = await t.global();
    const error = await failure(global.openDoc('Nowhere.qvf'));
    assert.equal(error.code, 1003);
    const none = await failure(global.getActiveDoc());
    assert.ok([1007, 1017].includes(none.code));
    return { error, none };
  },

  'one app in a session': async (t) => {
    const { global } = await t.doc();
    const error = await failure(global.openDoc('Empty.qvf'));
    assert.equal(error.code, 1002);
    return error;
  },

  'unknown method': async (t) => {
    const { session, doc } = await t.doc();
    const errors = [
      await failure(session.send({ method: 'NoSuchMethod', handle: -1, params: [] })),
      await failure(session.send({ method: 'engineVersion', handle: -1, params: [] })),
      await failure(session.send({ method: 'GetLayout', handle: doc.handle, params: [] })),
      await failure(session.send({ method: 'GetLayout', handle: 4711, params: [] })),
    ];
    assert.deepEqual(errors.map((error) => error.code), [-32601, -32601, -32601, -32602]);
    return errors;
  },

  'objects that are not there': async (t) => {
    const { doc } = await t.doc();
    const errors = [];
    for (const call of [doc.getObject('nope'), doc.getField('nope'), doc.getMeasure('nope'), doc.getVariableByName('nope')]) {
      errors.push(await failure(call));
    }
    assert.ok(errors.every((error) => error.code === -2));
    return errors.map((error) => error.code);
  },

  'cancel': async (t) => {
    const { global, doc } = await t.doc();
    const hanging = doc.evaluate('Hang()');
    const error = failure(hanging);
    await global.cancelRequest(hanging.requestId);
    const { code } = await error;
    assert.equal(code, 15);
    await global.cancelRequest(999999);
    return { code, afterwards: await doc.evaluate('1+1') };
  },

  'session app': async (t) => {
    const { global } = await t.global({ app: 'engineData' });
    const doc = await global.createSessionApp();
    assert.match(doc.id, /^SessionApp_/);
    await doc.setScript('Colours:\nLOAD * INLINE [\nName, Weight\nred, 1\nblue, 2\ngreen, 4\n];');
    assert.equal(await doc.doReload(), true);
    const sum = await doc.evaluate('Sum(Weight)');
    assert.equal(sum, '7');
    const error = await failure(doc.doSave());
    assert.equal(error.code, 9009);
    return { sum, error, script: await doc.getScript() };
  },

  'variables': async (t) => {
    const { doc } = await t.doc();
    const variable = await doc.getVariableByName('vFactor');
    const before = await variable.getLayout();
    const changed = next(variable, 'changed');
    await variable.setNumValue(5);
    await changed;
    const session = await doc.createSessionVariable({ qInfo: { qId: 'own', qType: 'variable' }, qName: 'vOwn', qDefinition: '=Sum(Sales)' });
    const error = await failure(doc.createSessionVariable({ qName: 'vOwn', qDefinition: '1' }));
    assert.equal(error.code, 18001);
    const values = [before.qNum, (await variable.getLayout()).qNum, (await session.getLayout()).qText, await doc.evaluate('vFactor+1')];
    assert.deepEqual([values[0], values[1], values[3]], [2, 5, '6']);
    return { values, error };
  },

  'bookmark': async (t) => {
    const { doc } = await t.doc();
    const all = await doc.evaluate('Sum(Sales)');
    assert.equal(await doc.applyBookmark('BM01'), true);
    const some = await doc.evaluate('Sum(Sales)');
    assert.notEqual(all, some);
    await doc.createBookmark({ qInfo: { qId: 'mine', qType: 'bookmark' }, qMetaDef: { title: 'Mine' } });
    await doc.clearAll();
    assert.equal(await doc.applyBookmark('mine'), true);
    assert.equal(await doc.evaluate('Sum(Sales)'), some);
    assert.equal(await doc.applyBookmark('none'), false);
    const list = await doc.createSessionObject({ qInfo: { qType: 'BookmarkList' }, qBookmarkListDef: { qType: 'bookmark', qData: { title: '/qMetaDef/title' } } });
    const titles = (await list.getLayout()).qBookmarkList.qItems.map((item) => item.qData.title);
    assert.deepEqual(titles, ['First region', 'Mine']);
    return { all, some, titles };
  },

  'back and forward': async (t) => {
    const { doc } = await t.doc();
    const field = await doc.getField('Region');
    const sums = [];
    const look = async () => sums.push([await doc.evaluate('Sum(Sales)'), await doc.backCount(), await doc.forwardCount()]);
    await look();
    await field.select('North');
    await look();
    await field.select('South');
    await look();
    await doc.back();
    await look();
    await doc.back();
    await look();
    await doc.forward();
    await look();
    assert.deepEqual(sums[1], [sums[3][0], 1, 0]);
    assert.deepEqual(sums[0][0], sums[4][0]);
    return sums;
  },

  'modal selections': async (t) => {
    const { doc } = await t.doc();
    const [list, chart] = [await doc.getObject('LB01'), await doc.getObject('CH01')];
    await list.beginSelections(['/qListObjectDef']);
    await list.selectListObjectValues('/qListObjectDef', [2], true);
    const { qSelectionInfo } = await list.getLayout();
    const errors = [
      await failure(chart.selectHyperCubeValues('/qHyperCubeDef', 0, [1], false)),
      await failure(chart.beginSelections(['/qHyperCubeDef'])),
      await failure(doc.clearAll()),
    ];
    assert.deepEqual(errors.map((error) => error.code), [6003, 6003, 6003]);
    await list.endSelections(false);
    const undone = states(await list.getLayout());
    assert.ok(undone.every((state) => state.endsWith(':O')));
    await chart.beginSelections(['/qHyperCubeDef']);
    assert.equal(await chart.selectHyperCubeValues('/qHyperCubeDef', 0, [1], false), true);
    await doc.abortModal(true);
    return { qSelectionInfo, undone, kept: states(await list.getLayout()) };
  },

  'reload with progress': async (t) => {
    const { global, doc } = await t.doc();
    await doc.setScript('Sleep 2;\nLOAD * FROM x;');
    const reload = doc.doReload();
    const told = [];
    for (let poll = 0; poll < 2; poll += 1) told.push(await global.getProgress(reload.requestId));
    assert.equal(await within(reload, 'reload'), true);
    told.push(await global.getProgress(reload.requestId));
    const empty = await global.getProgress(reload.requestId);
    assert.equal(told[0].qFinished, false);
    assert.equal(told[2].qFinished, true);
    assert.equal(empty.qTransientProgressMessage.qMessageCode, 0);
    await doc.setScript('Fail;');
    return { told, empty, failed: await doc.doReload() };
  },

  'suspend and resume, attached': async (t) => {
    const { session, doc } = await t.doc({ ttl: 60 });
    const object = await doc.createSessionObject({ qInfo: { qId: 'kept', qType: 'x' }, title: 'kept' });
    const field = await doc.getField('Region');
    await field.select('East');
    const sum = await doc.evaluate('Sum(Sales)');
    await within(session.suspend(), 'suspend');
    const error = await failure(doc.evaluate('1'));
    const changed = next(object, 'changed');
    await within(session.resume(), 'resume');
    await changed;
    const { title } = await object.getLayout();
    assert.equal(await doc.evaluate('Sum(Sales)'), sum);
    // The last socket's time to live wins: with this one the engine forgets the session at the end of the check.
    await t.global({ ttl: 0 });
    return { error, title, sum };
  },

  'suspend and resume, created anew': async (t) => {
    const { session, doc } = await t.doc();
    const [chart, lost] = [await doc.getObject('CH01'), await doc.createSessionObject({ qInfo: { qId: 'lost', qType: 'x' } })];
    const field = await doc.getField('Region');
    const all = await doc.evaluate('Sum(Sales)');
    await field.select('East');
    await within(session.suspend(), 'suspend');
    const events = Promise.all([next(chart, 'changed'), next(lost, 'closed')]);
    await within(session.resume(), 'resume');
    await events;
    assert.equal(await doc.evaluate('Sum(Sales)'), all);
    await within(session.suspend(), 'suspend');
    const error = await failure(session.resume(true));
    assert.equal(error.code, -12);
    return { all, error: error.code };
  },

  'closed with a code': async (t) => {
    const { session, doc } = await t.doc();
    const closed = next(session, 'closed');
    const call = failure(doc.evaluate('Close(4204)'));
    const [{ code, reason }] = await closed;
    assert.equal(code, 4204);
    assert.equal(JSON.parse(reason).code, 'QEP-104');
    return { code, reason: JSON.parse(reason).code, call: (await call).code };
  },

  'connection cut': async (t) => {
    const { session, doc } = await t.doc();
    const closed = next(session, 'closed');
    const call = failure(doc.evaluate('Drop()'));
    const [{ code }] = await closed;
    assert.equal(code, 1006);
    return { code, call: (await call).code };
  },

  'notifications': async (t) => {
    const { session, doc } = await t.doc();
    const seen = [];
    session.on('notification:*', (name, params) => seen.push([name, params]));
    const list = await doc.getObject('LB01');
    const changed = next(list, 'changed');
    const timeout = next(session, 'notification:OnSessionTimedOut');
    assert.equal(await doc.evaluate('Push()'), 'ok');
    await Promise.all([changed, timeout]);
    const timedOut = seen.filter(([name]) => name === 'OnSessionTimedOut');
    assert.equal(timedOut.length, 1);
    assert.equal(await doc.evaluate('Suspend()'), 'ok');
    return timedOut;
  },

  'traffic events': async (t) => {
    const { session, doc } = await t.doc();
    const [sent, received] = [[], []];
    session.on('traffic:sent', (frame) => sent.push(frame));
    session.on('traffic:received', (frame) => received.push(frame));
    await doc.evaluate('1+1');
    await doc.getAppLayout();
    assert.deepEqual(Object.keys(sent[0]), ['delta', 'handle', 'method', 'params', 'id', 'jsonrpc']);
    const answers = received.filter((frame) => frame.id !== undefined);
    assert.deepEqual(answers.map((frame) => frame.id), sent.map((frame) => frame.id));
    return sent.map(({ method, params }) => [method, params]);
  },

  'named parameters': async (t) => {
    const { session, global } = await t.global();
    const doc = await session.send({
      method: 'OpenDoc', handle: -1, params: { qNoData: false, qDocName: 'Sales.qvf' }, outKey: -1,
    });
    assert.equal(doc.id, 'Sales.qvf');
    assert.equal(await global.getActiveDoc(), doc);
    const sum = await session.send({ method: 'Evaluate', handle: doc.handle, params: { qExpression: '20+1' }, outKey: -1 });
    assert.equal(sum, '21');
    return { type: doc.type, id: doc.id, sum };
  },

  'missing parameters': async (t) => {
    const { session, doc } = await t.doc();
    const codes = [];
    for (const params of [[], {}, undefined, 'x', [7]]) {
      codes.push((await failure(session.send({ method: 'GetObject', handle: doc.handle, params }))).code);
    }
    assert.deepEqual(codes, Array(5).fill(-32602));
    return codes;
  },

  'a long string': async (t) => {
    const { doc } = await t.doc();
    const text = await within(doc.evaluate('Big(1048576)'), 'answer');
    assert.equal(text.length, 1048576);
    return { length: text.length, start: text.slice(0, 8) };
  },

  'a long request': async (t) => {
    const { doc } = await t.doc();
    const script = `// ${'long '.repeat(100_000)}\n`;
    await within(doc.setScript(script), 'answer');
    assert.equal(await doc.getScript(), script);
    return script.length;
  },

  'every kind of character': async (t) => {
    const { doc } = await t.doc();
    const text = 'ä€𝄞🍣 "quoted" back\\slash /slash\ttab\nline \u0000\u001f\u2028\u007f </script> ünïcødé';
    const object = await doc.createSessionObject({ qInfo: { qId: 'téxt "1"', qType: 'text' }, text, [`k "${text}"`]: [text] });
    assert.equal((await object.getLayout()).text, text);
    await object.setProperties({ ...(await object.getProperties()), text: `${text}!` });
    const layout = await object.getLayout();
    assert.equal(layout.text, `${text}!`);
    const field = await doc.getField('Product');
    assert.equal(await field.select('Tea "green"'), true);
    const products = [await doc.evaluate('Only(Product)')];
    assert.equal(await field.select('Sushi 🍣'), true);
    products.push(await doc.evaluate('Only(Product)'));
    assert.deepEqual(products, ['Tea "green"', 'Sushi 🍣']);
    return { layout, products };
  },

  'clear and lock all': async (t) => {
    const { doc } = await t.doc();
    const [region, month] = [await doc.getField('Region'), await doc.getField('Month')];
    const object = await doc.createSessionObject({ qInfo: { qId: 'current', qType: 'CurrentSelections' }, qSelectionObjectDef: {} });
    const look = async () => (await object.getLayout()).qSelectionObject.qSelections.map((row) => [row.qField, row.qSelected, row.qLocked]);
    await region.select('North');
    await month.select('J*');
    const seen = [await look()];
    await doc.lockAll();
    await doc.clearAll();
    seen.push(await look());
    await doc.clearAll(true);
    seen.push(await look());
    assert.deepEqual(seen[2], []);
    assert.equal(seen[1].length, 2);
    return seen;
  },

  'an expression that is wrong': async (t) => {
    const { doc } = await t.doc();
    const object = await doc.createSessionObject({
      qInfo: { qId: 'wrong', qType: 'table' },
      qHyperCubeDef: cube(['Region'], ['Sum(']),
      title: { qStringExpression: { qExpr: '=Frobnicate(1)' } },
    });
    const { qHyperCube, title } = await object.getLayout();
    assert.ok(qHyperCube.qError.qErrorCode);
    const check = await doc.checkExpression('Sum(Nowhere)');
    assert.equal(check.qBadFieldNames.length, 1);
    return { error: qHyperCube.qError, title, check };
  },

  'patches': async (t) => {
    const { doc } = await t.doc();
    const chart = await doc.getObject('CH01');
    const patch = (qPath, value, qOp = 'replace') => ({ qOp, qPath, qValue: JSON.stringify(value) });
    await chart.applyPatches([patch('/title', 'soft')], true);
    const soft = [(await chart.getLayout()).title, (await chart.getProperties()).title, (await chart.getEffectiveProperties()).title];
    await chart.clearSoftPatches();
    await chart.applyPatches([patch('/title', 'hard'), patch('/added', { deep: [1, 2] }, 'add')]);
    const props = await chart.getProperties();
    assert.deepEqual(soft, ['soft', 'Sales by region', 'soft']);
    assert.deepEqual([props.title, props.added], ['hard', { deep: [1, 2] }]);
    const error = await failure(chart.applyPatches([patch('/no/such/thing', 1, 'remove')]));
    return { soft, title: (await chart.getLayout()).title, error };
  },

  'search in a list': async (t) => {
    const { doc } = await t.doc();
    const list = await doc.getObject('LB01');
    assert.equal(await list.searchListObjectFor('/qListObjectDef', '*st'), true);
    const found = states(await list.getLayout());
    await list.acceptListObjectSearch('/qListObjectDef', false);
    const accepted = states(await list.getLayout());
    assert.deepEqual(found, ['West:O', 'East:O']);
    return { found, accepted };
  },

  'full property tree': async (t) => {
    const { doc } = await t.doc();
    const tree = await (await doc.getObject('SH01')).getFullPropertyTree();
    assert.equal(tree.qChildren[0].qProperty.qInfo.qId, 'CH11');
    const copy = await doc.createObject({ qInfo: { qId: 'copy', qType: 'sheet' } });
    tree.qChildren[0].qProperty.qInfo.qId = 'copied';
    await copy.setFullPropertyTree(tree);
    const children = await copy.getChildInfos();
    assert.deepEqual(children, [{ qId: 'copied', qType: 'barchart' }]);
    const infos = (await doc.getAllInfos()).map((info) => info.qId);
    return { children, infos };
  },

  'dimensions and measures': async (t) => {
    const { doc } = await t.doc();
    const [dimension, measure] = [await doc.getDimension('DIM01'), await doc.getMeasure('MEA01')];
    const created = await doc.createMeasure({ qInfo: { qId: 'mine', qType: 'measure' }, qMeasure: { qDef: 'Max(Sales)' }, qMetaDef: { title: 'Most' } });
    const list = await doc.createSessionObject({ qInfo: { qType: 'MeasureList' }, qMeasureListDef: { qType: 'measure', qData: {} } });
    const titles = (await list.getLayout()).qMeasureList.qItems.map((item) => item.qMeta.title);
    const changed = next(list, 'changed');
    assert.equal(await doc.destroyMeasure('mine'), true);
    await changed;
    assert.deepEqual(titles, ['Total sales', 'Most']);
    return { dimension: await dimension.getDimension(), measure: await measure.getMeasure(), created: created.id, titles };
  },

  'tables and fields': async (t) => {
    const { doc } = await t.doc();
    const { qtr, qk } = await doc.getTablesAndKeys({}, {}, 0, false, false);
    const fields = qtr[0].qFields.map((field) => [field.qName, field.qTags, field.qnTotalDistinctValues]);
    assert.equal(fields.length, 6);
    return { table: qtr[0].qName, rows: qtr[0].qNoOfRows, fields, keys: qk.length };
  },

  'an error keeps the connection': async (t) => {
    const { doc } = await t.doc();
    const error = await failure(doc.evaluate('Error(5)'));
    assert.equal(error.code, 5);
    return { error, afterwards: await doc.evaluate('2*21') };
  },

  'an empty app without data': async (t) => {
    const { global } = await t.global({ app: 'Empty.qvf' });
    const doc = await global.openDoc('Empty.qvf', '', '', '', true);
    const error = await failure(global.openDoc('Empty.qvf'));
    assert.equal(error.code, 1009);
    return { without: (await doc.getAppLayout()).qIsOpenedWithoutData, error, sum: await doc.evaluate('Sum(Sales)') };
  },
};

process.exit(await run(checks, process.argv.slice(2), Context));
