'use strict';
// Which calls are shown: one filter for the list, the search in the timeline and the tables.

/** Stands in a filter for calls without an answer. */
const NO_ANSWER = -2;

class Filter {
  constructor(store) {
    this.store = store;
    this.clear();
    this.version = 0;
    this.kept = { key: '', hits: new Int32Array(0), is: new Uint8Array(0) };
  }

  clear() {
    Object.assign(this, { text: '', method: '', row: '', rowName: '', conn: 0, errors: false, slower: 0, error: -1 });
    this.version += 1;
  }

  set(changes) {
    Object.assign(this, changes);
    this.version += 1;
  }

  get isOn() {
    return Boolean(this.text || this.method || this.row || this.conn || this.errors || this.slower || this.error !== -1);
  }

  /** The calls that match, in the order of the store, and for each call whether it does. */
  result() {
    const { store } = this;
    const key = `${store.version}/${this.version}`;
    if (this.kept.key === key) return this.kept;
    const is = new Uint8Array(store.size);
    const hits = [];
    const test = this.test();
    for (let i = 0; i < store.size; i += 1) {
      if (test(i)) {
        is[i] = 1;
        hits.push(i);
      }
    }
    this.kept = { key, hits: Int32Array.from(hits), is };
    return this.kept;
  }

  hits() {
    return this.result().hits;
  }

  test() {
    const { store, method, row, conn, errors, slower, error } = this;
    const words = this.text.toLowerCase().split(/\s+/).filter(Boolean);
    const methodNumber = method ? store.methods.indexOf(method) : -1;
    const rows = new Map();
    const inRow = (number) => {
      if (!rows.has(number)) rows.set(number, store.rowOf(number) === row);
      return rows.get(number);
    };
    // Texts are looked into once for each pair of names rather than for each call.
    const found = new Map();
    const says = (i) => {
      const pair = `${store.object[i]}/${store.method[i]}/${store.error[i]}`;
      let known = found.get(pair);
      if (known === undefined) {
        const object = store.objects.get(store.object[i]);
        const text = `${store.objectName(i)} ${object?.id ?? ''} ${store.methodName(i)} ${store.errorWords(i)}`.toLowerCase();
        known = words.filter((word) => !text.includes(word));
        found.set(pair, known);
      }
      return known.every((word) => word === `#${store.seq[i]}`);
    };
    return (i) =>
      (!conn || store.conn[i] === conn)
      && (!method || store.method[i] === methodNumber)
      && (!row || inRow(store.object[i]))
      && (!errors || store.error[i] >= 0 || store.wait[i] < 0)
      && (error === -1 || (error === NO_ANSWER ? store.error[i] < 0 && store.wait[i] < 0 : store.error[i] === error))
      && (!slower || store.latency(i) >= slower)
      && (!words.length || says(i));
  }

  /** What is filtered by, as chips: the words, and what takes each away. */
  chips() {
    const chips = [];
    if (this.method) chips.push([`method ${this.method}`, { method: '' }]);
    if (this.row) chips.push([this.rowName || 'object', { row: '', rowName: '' }]);
    if (this.conn) chips.push([`connection #${this.conn}`, { conn: 0 }]);
    if (this.errors) chips.push(['failed', { errors: false }]);
    if (this.error !== -1) chips.push([this.error === NO_ANSWER ? 'no answer' : this.store.texts[this.error], { error: -1 }]);
    if (this.slower) chips.push([`slower than ${timeWords(this.slower)}`, { slower: 0 }]);
    return chips;
  }
}
