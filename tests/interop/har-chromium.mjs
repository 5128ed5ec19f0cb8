// Writes the HAR of a visit of the page as the network panel of Chromium does: of the events of its DevTools protocol.
//
//   node har-chromium.mjs URL HAR [--json FILE]

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { browse, report } from './visit.mjs';

/** Collects what the protocol tells of the network. */
class Panel {
  constructor(session) {
    this.session = session;
    this.requests = [];
    this.byId = new Map();
    this.bodies = [];
  }

  async start() {
    const on = (name, handle) => this.session.on(`Network.${name}`, (event) => handle(event, this.byId.get(event.requestId)));
    on('requestWillBeSent', (event, known) => {
      // Each step of a redirect is a request of its own, under one id.
      if (known && event.redirectResponse) {
        Object.assign(known, { response: event.redirectResponse, ended: event.timestamp, redirected: true });
      }
      this.add({
        id: event.requestId, type: (event.type ?? 'other').toLowerCase(), wallTime: event.wallTime, started: event.timestamp,
        request: event.request, initiator: event.initiator, headers: event.request.headers,
      });
    });
    on('requestWillBeSentExtraInfo', (event, request) => { if (request) request.headers = event.headers; });
    on('responseReceived', (event, request) => {
      if (request) Object.assign(request, { response: event.response, answered: event.timestamp });
    });
    on('responseReceivedExtraInfo', (event, request) => { if (request) request.answer = event; });
    on('loadingFinished', (event, request) => {
      if (!request) return;
      Object.assign(request, { ended: event.timestamp, size: event.encodedDataLength });
      this.bodies.push(this.session.send('Network.getResponseBody', { requestId: event.requestId }).then((body) => {
        request.body = body;
      }, () => {}));
    });
    on('loadingFailed', (event, request) => {
      if (request) Object.assign(request, { ended: event.timestamp, failed: event.errorText });
    });
    on('webSocketCreated', (event) => this.add({
      id: event.requestId, type: 'websocket', request: { method: 'GET', url: event.url }, initiator: event.initiator, frames: [],
    }));
    on('webSocketWillSendHandshakeRequest', (event, request) => Object.assign(request, {
      wallTime: event.wallTime, started: event.timestamp, headers: event.request.headers,
    }));
    on('webSocketHandshakeResponseReceived', (event, request) => Object.assign(request, {
      response: event.response, answered: event.timestamp, ended: event.timestamp, headers: event.response.requestHeaders ?? request.headers,
    }));
    for (const [name, type] of [['webSocketFrameSent', 'send'], ['webSocketFrameReceived', 'receive']]) {
      on(name, ({ timestamp, response }, request) => {
        request.frames.push({ type, timestamp, opcode: response.opcode, data: response.payloadData });
        request.ended = timestamp;
      });
    }
    on('webSocketFrameError', ({ timestamp, errorMessage }, request) => {
      request.frames.push({ type: 'error', timestamp, opcode: -1, data: errorMessage });
    });
    on('webSocketClosed', (event, request) => { request.ended = event.timestamp; });
    await this.session.send('Network.enable', { maxTotalBufferSize: 100_000_000, maxResourceBufferSize: 50_000_000 });
  }

  add(request) {
    this.requests.push(request);
    this.byId.set(request.id, request);
  }

  async har(title) {
    await Promise.all(this.bodies);
    const startedDateTime = time(this.requests[0], this.requests[0].started);
    return {
      log: {
        version: '1.2',
        creator: { name: 'WebInspector', version: '537.36' },
        pages: [{ startedDateTime, id: 'page_1', title, pageTimings: { onContentLoad: -1, onLoad: -1 } }],
        entries: this.requests.map(entry),
      },
    };
  }
}

/** When it was on the clock of the wall: the protocol tells of few things both times. */
function wall(request, timestamp) {
  return request.wallTime + (timestamp - request.started);
}

function time(request, timestamp) {
  return new Date(wall(request, timestamp) * 1000).toJSON();
}

function pairs(headers = {}) {
  return Object.entries(headers).map(([name, value]) => ({ name, value }));
}

function parameters(url) {
  return url.startsWith('data:') ? [] : [...new URL(url).searchParams].map(([name, value]) => ({ name, value }));
}

/** An entry, members in the order in which the panel writes them. */
function entry(request) {
  const { request: { method, url, postData }, response = {}, answered = request.ended ?? request.started, ended = answered } = request;
  const wait = 1000 * (answered - request.started);
  const receive = request.frames ? 0 : 1000 * (ended - answered);
  return {
    _connectionId: String(response.connectionId ?? 0),
    _initiator: { type: request.initiator?.type },
    _priority: null,
    _resourceType: request.type,
    ...(request.frames && {
      _webSocketMessages: request.frames.map(({ type, timestamp, opcode, data }) => ({
        type, time: wall(request, timestamp), opcode, data,
      })),
    }),
    cache: {},
    connection: response.remotePort ? String(response.remotePort) : undefined,
    pageref: 'page_1',
    request: {
      method,
      url: url.split('#', 2)[0],
      httpVersion: response.protocol ?? 'http/1.1',
      headers: pairs(request.headers),
      queryString: parameters(url),
      cookies: [],
      headersSize: -1,
      bodySize: postData ? new TextEncoder().encode(postData).length : 0,
      ...(postData !== undefined && { postData: { mimeType: request.headers['Content-Type'] ?? '', text: postData } }),
    },
    response: answer(request, response),
    serverIPAddress: response.remoteIPAddress ?? '',
    startedDateTime: time(request, request.started),
    time: wait + receive,
    timings: { blocked: -1, dns: -1, ssl: -1, connect: -1, send: 0, wait, receive, _blocked_queueing: -1 },
  };
}

function answer(request, response) {
  const { body } = request;
  const headers = request.answer?.headers ?? response.headers;
  const status = request.answer?.statusCode ?? response.status ?? 0;
  const size = body ? Buffer.byteLength(body.body, body.base64Encoded ? 'base64' : 'utf8') : 0;
  return {
    status,
    statusText: response.statusText ?? '',
    httpVersion: response.protocol ?? 'http/1.1',
    headers: pairs(headers),
    cookies: [],
    content: {
      size,
      mimeType: response.mimeType || 'x-unknown',
      ...(body && { text: body.body }),
      ...(body?.base64Encoded && { encoding: 'base64' }),
    },
    redirectURL: request.redirected ? headers.location ?? headers.Location ?? '' : '',
    headersSize: -1,
    bodySize: -1,
    _transferSize: request.size ?? 0,
    _error: request.failed ?? null,
    _fetchedViaServiceWorker: false,
  };
}

const { values: options, positionals: [url, file] } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string' } },
});

browse(url, {}, async (page) => {
  const panel = new Panel(await page.context().newCDPSession(page));
  await panel.start();
  return async () => writeFileSync(file, `${JSON.stringify(await panel.har(url), null, 2)}\n`);
}).then((visited) => report(visited, options.json)).catch((error) => {
  console.error(`har-chromium: ${error.stack ?? error}`);
  process.exitCode = 1;
});
