'use strict';
// The rows of the timeline: a connection and, unless it is folded, its objects; calls that overlap are in lanes of their row.

const LANE = 13;
const ROW_PAD = 4;
const MOST_LANES = 6;

class Rows {
  constructor(store) {
    this.store = store;
    this.folded = new Set();
    this.known = -1;
    this.rows = [];
    this.placeOf = new Map();
  }

  /** Returns the rows as they are now. */
  now() {
    if (this.known !== this.store.version) {
      this.gather();
      this.known = this.store.version;
      this.arrange();
    }
    return this.rows;
  }

  gather() {
    const { store } = this;
    const groups = new Map();
    const rowOf = new Map();
    for (const conn of store.connections.keys()) groups.set(conn, { conn, all: [], objects: new Map() });
    for (let i = 0; i < store.size; i += 1) {
      const conn = store.conn[i];
      let group = groups.get(conn);
      if (!group) groups.set(conn, (group = { conn, all: [], objects: new Map() }));
      const number = store.object[i];
      let key = rowOf.get(number);
      if (key === undefined) rowOf.set(number, (key = store.rowOf(number)));
      let row = group.objects.get(key);
      if (!row) group.objects.set(key, (row = { key, number, calls: [] }));
      row.number = number;
      row.calls.push(i);
      group.all.push(i);
    }
    const before = this.groups ?? new Map();
    this.groups = groups;
    for (const group of groups.values()) {
      const old = before.get(group.conn);
      group.track = reuse(old?.track, store, group.all);
      for (const row of group.objects.values()) row.track = reuse(old?.objects.get(row.key)?.track, store, row.calls);
    }
  }

  arrange() {
    const { store } = this;
    const rows = [];
    for (const group of [...this.groups.values()].sort((a, b) => a.conn - b.conn)) {
      const connection = store.connections.get(group.conn);
      const isFolded = this.folded.has(group.conn);
      const path = (connection?.url ?? '').split('?')[0];
      rows.push({ kind: 'conn', key: `c${group.conn}`, conn: group.conn, name: `#${group.conn} ${path}`, isFolded, count: group.all.length, track: isFolded ? group.track : null });
      if (isFolded) continue;
      const objects = [...group.objects.values()].sort((a, b) => (a.track.start[0] ?? 0) - (b.track.start[0] ?? 0));
      for (const row of objects) {
        rows.push({ kind: 'object', key: row.key, conn: group.conn, number: row.number, name: store.nameOf(row.number), count: row.calls.length, track: row.track });
      }
    }
    let y = 0;
    this.placeOf.clear();
    rows.forEach((row, place) => {
      row.y = y;
      row.height = (row.track ? row.track.lanes : 1) * LANE + 2 * ROW_PAD;
      y += row.height;
      this.placeOf.set(row.key, place);
    });
    this.rows = rows;
    this.height = y;
  }

  /** Returns the row in which a call is drawn, if there is one. */
  rowOfCall(i) {
    return this.rowOfObject(this.store.object[i], this.store.conn[i]);
  }

  rowOfObject(number, conn = this.store.objects.get(number)?.conn) {
    this.now();
    const key = this.folded.has(conn) ? `c${conn}` : this.store.rowOf(number);
    return this.rows[this.placeOf.get(key) ?? this.placeOf.get(`c${conn}`)];
  }

  /** Returns the place of the row at a height. */
  at(y) {
    let [low, high] = [0, this.rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows[middle].y + this.rows[middle].height <= y) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  fold(conn, isFolded = !this.folded.has(conn)) {
    if (isFolded) this.folded.add(conn);
    else this.folded.delete(conn);
    this.now();
    this.arrange();
  }

  foldAll(isFolded) {
    this.now();
    this.folded = new Set(isFolded ? this.groups.keys() : []);
    this.arrange();
  }
}

/** A track is calls by their start, each with its lane, and for each place the latest end so far. */
function makeTrack(store, calls) {
  const length = calls.length;
  const index = Int32Array.from(calls).sort((a, b) => store.at[a] - store.at[b] || a - b);
  const start = new Float64Array(length);
  const end = new Float64Array(length);
  const latest = new Float64Array(length);
  const lane = new Uint8Array(length);
  const free = [];
  let most = 0;
  for (let k = 0; k < length; k += 1) {
    const i = index[k];
    start[k] = store.at[i];
    end[k] = store.endOf(i);
    most = Math.max(most, end[k]);
    latest[k] = most;
    let at = 0;
    while (at < free.length && free[at] > start[k]) at += 1;
    if (at >= MOST_LANES) at = k % MOST_LANES;
    lane[k] = at;
    free[at] = Math.max(free[at] ?? 0, end[k]);
  }
  return { index, start, end, latest, lane, lanes: Math.max(1, free.length), unanswered: calls.some((i) => store.wait[i] < 0) };
}

/** Keeps the track of a row to which nothing was added; what is unanswered still grows. */
function reuse(track, store, calls) {
  return track && !track.unanswered && track.index.length === calls.length ? track : makeTrack(store, calls);
}

/** Returns the first place of a sorted array whose value is at least `value`. */
function firstFrom(sorted, value) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
