// enigma.js sessions that are closed again.

import { createRequire } from 'node:module';
import WebSocket from 'ws';
import enigma from 'enigma.js';
import { within } from './harness.mjs';

const schema = createRequire(import.meta.url)('enigma.js/schemas/12.2027.0.json');

/** One check's view of the endpoint. */
export class Context {
  constructor(base, name, options) {
    this.base = base;
    this.name = name;
    this.options = options;
    this.sessions = [];
  }

  url({ app = 'Sales.qvf', identity = this.name, ttl = 0 } = {}) {
    return `${this.base}/app/${encodeURIComponent(app)}/identity/${encodeURIComponent(identity)}/ttl/${ttl}`;
  }

  /** Returns an enigma.js session that is not open yet. The same name gives the same engine session in each run. */
  session({ config = {}, ...place } = {}) {
    const session = enigma.create({
      schema,
      url: this.url(place),
      createSocket: (url) => new WebSocket(url),
      ...config,
    });
    this.sessions.push(session);
    return session;
  }

  async global(options) {
    const session = this.session(options);
    return { session, global: await within(session.open(), 'open') };
  }

  async doc(options) {
    const { session, global } = await this.global(options);
    return { session, global, doc: await within(global.openDoc(options?.app ?? 'Sales.qvf'), 'OpenDoc') };
  }

  async end() {
    for (const session of this.sessions) {
      await within(Promise.resolve(session.close()), 'close', 2000).catch(() => {});
    }
  }
}
