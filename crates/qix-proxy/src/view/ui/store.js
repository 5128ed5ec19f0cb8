'use strict';
// Everything that the page knows: columns of calls, and the lists around them.

const COLUMNS = ['seq', 'conn', 'object', 'method', 'at', 'wait', 'transfer', 'sent', 'bytes', 'effect', 'fetch', 'by', 'error'];

class Store {
  constructor() {
    for (const name of COLUMNS) this[name] = [];
    this.methods = [];
    this.texts = [];
    /** By number; the latest word of each. */
    this.objects = new Map();
    this.closed = new Map();
    this.connections = new Map();
    this.refused = [];
    this.ends = new Map();
    this.changes = [];
    this.selections = [];
    this.progress = [];
    this.exchanges = [];
    this.notices = [];
    this.findings = [];
    this.indexOfSeq = new Map();
    /** What a call has changed and what was fetched for it, by the call's number. */
    this.changesBy = new Map();
    this.fetchesBy = new Map();
    this.findingsOf = new Map();
    this.duration = 1;
    this.failed = 0;
    /** Counts the batches, so that whoever keeps something knows whether it is of today. */
    this.version = 0;
    this.names = new Map();
  }

  /** How many calls there are. */
  get size() {
    return this.seq.length;
  }

  add(batch) {
    const first = this.size;
    const calls = batch.calls ?? { seq: [] };
    for (const name of COLUMNS) {
      const column = this[name];
      for (const value of calls[name] ?? []) column.push(value);
    }
    for (let i = first; i < this.size; i += 1) {
      this.indexOfSeq.set(this.seq[i], i);
      if (this.by[i] >= 0) pushTo(this.fetchesBy, this.by[i], i);
      if (this.error[i] >= 0 || this.wait[i] < 0) this.failed += 1;
      this.reached(this.endOf(i));
    }
    for (const object of batch.objects ?? []) this.object_(object);
    for (const [number, at] of batch.closed ?? []) this.closed.set(number, at);
    for (const connection of batch.connections ?? []) this.connection_(connection);
    for (const end of batch.ends ?? []) {
      this.ends.set(end.conn, end);
      this.reached(end.at);
    }
    for (const change of batch.changes ?? []) {
      if (change.by >= 0) pushTo(this.changesBy, change.by, change);
      this.reached(change.at);
    }
    for (const exchange of batch.exchanges ?? []) this.reached(exchange.at + exchange.took);
    for (const notice of batch.notices ?? []) this.reached(notice.at);
    for (const finding of batch.findings ?? []) {
      for (const seq of finding.calls) pushTo(this.findingsOf, seq, finding);
    }
    for (const name of ['methods', 'texts', 'changes', 'selections', 'progress', 'exchanges', 'notices', 'findings']) {
      for (const value of batch[name] ?? []) this[name].push(value);
    }
    this.version += 1;
  }

  object_(object) {
    this.objects.set(object.number, object);
    const { kind, id, title } = object;
    const name = title || id;
    this.names.set(object.number, name && name !== kind ? `${kind} ${name}` : kind || `handle ${object.handle}`);
  }

  connection_(connection) {
    if (connection.refused !== null) {
      this.refused.push(connection);
      return;
    }
    const known = this.connections.get(connection.conn);
    // What says no more than the session is an addition to what is known.
    if (known && !connection.url) Object.assign(known, { session: connection.session, attached: connection.attached });
    else this.connections.set(connection.conn, connection);
    this.reached(connection.at);
  }

  reached(at) {
    if (at > this.duration) this.duration = at;
  }

  /** What the object of a call is called. */
  objectName(i) {
    return this.nameOf(this.object[i]);
  }

  nameOf(number) {
    return this.names.get(number) ?? `object ${number}`;
  }

  methodName(i) {
    return this.methods[this.method[i]] ?? '';
  }

  errorWords(i) {
    return this.error[i] < 0 ? '' : this.texts[this.error[i]];
  }

  /** From the request to the last byte of the answer; -1 without an answer. */
  latency(i) {
    return this.wait[i] < 0 ? -1 : this.wait[i] + this.transfer[i];
  }

  /** When a call was over; without an answer that is when its connection ended. */
  endOf(i) {
    const latency = this.latency(i);
    if (latency >= 0) return this.at[i] + latency;
    return Math.max(this.at[i], this.ends.get(this.conn[i])?.at ?? this.duration);
  }

  /** The row of an object: those that were opened in the same way on one connection share one. */
  rowOf(number) {
    const object = this.objects.get(number);
    if (!object) return `?${number}`;
    return object.lineage ? `${object.conn}/${object.lineage}` : `${object.conn}#${number}`;
  }

  indexOf(seq) {
    return this.indexOfSeq.get(seq) ?? -1;
  }
}

function pushTo(map, key, value) {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}
