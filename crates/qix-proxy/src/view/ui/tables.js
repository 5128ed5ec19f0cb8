'use strict';
// The list of calls, and what methods, objects and errors come to.

function callsView(app) {
  const { store } = app;
  const table = new Table({
    label: 'Calls',
    empty: 'No call matches. Take a filter away to see more.',
    sort: 0,
    down: false,
    open: (i) => app.select(i),
    pick: (i) => app.select(i, { quiet: true }),
    look: (i) => (store.error[i] >= 0 || store.wait[i] < 0 ? 'failed' : store.effect[i] > 0 ? 'writes' : ''),
    columns: [
      { title: 'at', width: '96px', right: true, cell: (i) => momentWords(store.at[i]), sort: (i) => store.at[i] },
      { title: 'conn', width: '48px', right: true, cell: (i) => `#${store.conn[i]}`, sort: (i) => store.conn[i] },
      { title: 'object', width: 'minmax(120px, 1.4fr)', least: 120, cell: (i) => store.objectName(i), sort: (i) => store.objectName(i) },
      { title: 'method', width: 'minmax(120px, 1fr)', least: 120, cell: (i) => store.methodName(i), sort: (i) => store.methodName(i) },
      { title: 'took', width: '74px', right: true, cell: (i) => timeWords(store.latency(i)), sort: (i) => store.latency(i) },
      { title: 'answer', width: '74px', right: true, cell: (i) => sizeWords(store.bytes[i]), sort: (i) => store.bytes[i] },
      { title: 'notes', width: 'minmax(110px, 1fr)', least: 110, cell: (i) => callNote(store, i) },
    ],
  });
  return {
    id: 'calls', title: 'Calls', node: table.node,
    update: () => {
      table.show(app.filter.hits());
      if (app.selected >= 0) table.mark(app.selected);
    },
    selected: (i) => table.mark(i),
    count: () => store.size,
  };
}

function callNote(store, i) {
  if (store.error[i] >= 0) return `✗ ${store.errorWords(i)}`;
  if (store.wait[i] < 0) return '✗ no answer';
  if (store.fetch[i] === FETCHED_UNCHANGED) return 'unchanged since the last answer';
  if (store.fetch[i] === FETCHED_CHANGED) return '← after a change';
  const changed = store.changesBy.get(store.seq[i]);
  return changed ? `→ changed ${countWords(new Set(changed.flatMap((change) => change.objects)).size, 'object')}` : '';
}

/** Sums calls up by a key. */
function summary(app, keyOf, nameOf) {
  const { store } = app;
  const kept = summary.kept.get(keyOf) ?? {};
  const key = `${store.version}/${app.filter.version}`;
  if (kept.key === key) return kept.rows;
  const groups = new Map();
  for (const i of app.filter.hits()) pushTo(groups, keyOf(i), i);
  let whole = 0;
  const rows = [...groups].map(([group, calls]) => {
    const times = Float64Array.from(calls, (i) => store.latency(i)).filter((time) => time >= 0).sort();
    const row = { key: group, name: nameOf(group, calls), calls, count: calls.length, errors: 0, bytes: 0, total: 0 };
    for (const i of calls) {
      if (store.error[i] >= 0 || store.wait[i] < 0) row.errors += 1;
      row.bytes += store.bytes[i] + store.sent[i];
      row.total += Math.max(0, store.latency(i));
    }
    whole += row.total;
    [row.p50, row.p95, row.p99, row.max] = [0.5, 0.95, 0.99, 1].map((share) => quantile(times, share));
    return row;
  });
  for (const row of rows) row.share = whole ? row.total / whole : 0;
  rows.sort((a, b) => b.total - a.total);
  summary.kept.set(keyOf, { key, rows });
  return rows;
}
summary.kept = new Map();

function summaryColumns(first, name) {
  const time = (title, part, help) => ({ title, width: '68px', right: true, help, cell: (row) => timeWords(row[part]), sort: (row) => row[part] });
  return [
    { title: first, width: 'minmax(140px, 1fr)', least: 140, cell: name, sort: (row) => row.name.toLowerCase() },
    { title: 'calls', width: '62px', right: true, cell: (row) => numberWords(row.count), sort: (row) => row.count },
    { title: 'failed', width: '58px', right: true, cell: (row) => (row.errors ? el('b', { class: 'failure' }, numberWords(row.errors)) : '·'), sort: (row) => row.errors },
    time('p50', 'p50', 'Half of the calls took at most so long'),
    time('p95', 'p95', '95 % of the calls took at most so long'),
    time('p99', 'p99', '99 % of the calls took at most so long'),
    time('max', 'max', 'The slowest call'),
    { title: 'bytes', width: '74px', right: true, help: 'Requests and answers together', cell: (row) => sizeWords(row.bytes), sort: (row) => row.bytes },
    { title: 'share of time', width: '112px', right: true, help: 'Share of the time that all calls took together', cell: (row) => share(row.share), sort: (row) => row.total },
  ];
}

function share(part) {
  const bar = el('i', { class: 'share' });
  bar.style.width = `${Math.round(part * 52)}px`;
  return el('span', { class: 'share-cell' }, bar, `${(part * 100).toFixed(1)} %`);
}

function methodsView(app) {
  const byMethod = (i) => app.store.method[i];
  const table = new Table({
    label: 'Methods', columns: summaryColumns('method', (row) => row.name), sort: 8, empty: 'No calls.',
    open: (row) => {
      app.setFilter({ method: row.name });
      app.open('calls');
    },
  });
  return { id: 'methods', title: 'Methods', node: table.node, update: () => table.show(summary(app, byMethod, (method) => app.store.methods[method])), count: () => app.store.methods.length };
}

function objectsView(app) {
  const { store } = app;
  let kept = { version: -1 };
  const byRow = (i) => {
    if (kept.version !== store.version) kept = { version: store.version, rows: new Map() };
    const number = store.object[i];
    let row = kept.rows.get(number);
    if (row === undefined) kept.rows.set(number, (row = store.rowOf(number)));
    return row;
  };
  const nameOf = (_, calls) => store.objectName(calls[calls.length - 1]);
  const columns = summaryColumns('object', (row) => row.name);
  columns.splice(1, 0, { title: 'conn', width: '48px', right: true, cell: (row) => `#${store.conn[row.calls[0]]}`, sort: (row) => store.conn[row.calls[0]] },
    { title: 'type', width: 'minmax(80px, 120px)', least: 80, cell: (row) => store.objects.get(store.object[row.calls[0]])?.class ?? '', sort: (row) => store.objects.get(store.object[row.calls[0]])?.class ?? '' },
    { title: 'life', width: '84px', right: true, help: 'From its opening to its closing', cell: (row) => timeWords(lifeOf(store, row)), sort: (row) => lifeOf(store, row) });
  const table = new Table({
    label: 'Objects', columns, sort: 11, empty: 'No calls.',
    open: (row) => {
      app.filterRow(store.object[row.calls[0]], row.name);
      app.open('calls');
    },
  });
  return { id: 'objects', title: 'Objects', node: table.node, update: () => table.show(summary(app, byRow, nameOf)), count: () => new Set([...store.objects.keys()].map((number) => store.rowOf(number))).size };
}

/** From the first opening of a row's objects to the last closing. */
function lifeOf(store, row) {
  if (row.life !== undefined) return row.life;
  let [from, until] = [Infinity, 0];
  for (const number of new Set(row.calls.map((i) => store.object[i]))) {
    const object = store.objects.get(number);
    from = Math.min(from, object?.opened ?? 0);
    until = Math.max(until, store.closed.get(number) ?? store.ends.get(object?.conn)?.at ?? store.duration);
  }
  row.life = Math.max(0, until - from);
  return row.life;
}

function errorsView(app) {
  const { store } = app;
  const rows = () => {
    const groups = new Map();
    for (const i of app.filter.hits()) if (store.error[i] >= 0 || store.wait[i] < 0) pushTo(groups, store.error[i], i);
    return [...groups].map(([error, calls]) => ({
      key: error, error, calls, words: error < 0 ? 'no answer' : store.texts[error], count: calls.length,
      first: store.at[calls[0]], last: store.at[calls[calls.length - 1]],
      methods: [...new Set(calls.map((i) => store.methodName(i)))].join(', '),
      objects: new Set(calls.map((i) => store.rowOf(store.object[i]))).size,
    }));
  };
  const table = new Table({
    label: 'Errors', sort: 1, empty: 'Nothing failed.',
    open: (row) => {
      app.setFilter({ error: row.error < 0 ? NO_ANSWER : row.error });
      app.open('calls');
    },
    columns: [
      { title: 'error', width: 'minmax(220px, 3fr)', least: 220, cell: (row) => el('span', { class: 'failure', title: row.words }, row.words), sort: (row) => row.words },
      { title: 'calls', width: '62px', right: true, cell: (row) => numberWords(row.count), sort: (row) => row.count },
      { title: 'objects', width: '68px', right: true, cell: (row) => numberWords(row.objects), sort: (row) => row.objects },
      { title: 'methods', width: 'minmax(120px, 1fr)', least: 120, cell: (row) => row.methods, sort: (row) => row.methods },
      { title: 'first', width: '96px', right: true, cell: (row) => momentWords(row.first), sort: (row) => row.first },
      { title: 'last', width: '96px', right: true, cell: (row) => momentWords(row.last), sort: (row) => row.last },
    ],
  });
  return { id: 'errors', title: 'Errors', node: table.node, update: () => table.show(rows()), count: () => store.failed };
}
