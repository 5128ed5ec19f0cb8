// What enigma.js experiences of faults on purpose: node faults.mjs ws://HOST:PORT SCENARIO FILE
//
// Each scenario does the same whatever fault is made, and writes what it saw: results, error codes, close codes, events, times.

import { writeFileSync } from 'node:fs';
import WebSocket from 'ws';
import enigma from 'enigma.js';
import { createRequire } from 'node:module';

const schema = createRequire(import.meta.url)('enigma.js/schemas/12.2027.0.json');
const [base, scenario, file] = process.argv.slice(2);
if (!file) {
  console.error('usage: node faults.mjs ws://HOST:PORT SCENARIO FILE');
  process.exit(2);
}

/** How long a call that is never answered is waited for. */
const PATIENCE = 2000;
const late = Symbol('late');
/** Only here does it matter how long a call takes; elsewhere that is the machine's doing. */
const delayed = scenario === 'reload';

const seen = [];
/** What happens beside the calls; whether it comes before the next of them is made is a matter of luck. */
const events = [];
const thrown = [];
process.on('uncaughtException', (error) => { thrown.push(error.name); });
process.on('unhandledRejection', (error) => { thrown.push(error?.name ?? String(error)); });

function wait(promise, limit = PATIENCE) {
  let timer;
  const timeout = new Promise((resolve) => { timer = setTimeout(() => resolve(late), limit); });
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}

/** Says how a call went: what it gave, the code of its error, or that it never ended. */
async function call(name, promise, show = () => 'ok') {
  const begun = performance.now();
  try {
    const value = await wait(promise, delayed ? 10_000 : PATIENCE);
    const took = performance.now() - begun;
    if (value === late) seen.push(`${name}: no answer`);
    else seen.push(`${name}: ${show(value)}${delayed && took >= 400 ? ', after at least 400 ms' : ''}`);
    return value === late ? undefined : value;
  } catch (error) {
    // It depends on luck, too, whether a socket is found gone before or behind a request.
    const gone = ['Socket closed', 'Not connected'].includes(error.message);
    const message = gone ? 'the socket is gone' : error.message;
    seen.push(`${name}: error ${error.code ?? error.name}${message ? ` ${message}` : ''}`);
    return undefined;
  }
}

/** Opens a session, and says of its socket and its session whatever happens. */
async function open(identity) {
  let socket;
  const session = enigma.create({
    schema,
    url: `${base}/app/Sales.qvf/identity/${identity}/ttl/0`,
    createSocket: (url) => {
      socket = new WebSocket(url);
      socket.on('unexpected-response', (request, response) => {
        events.push(`upgrade refused: ${response.statusCode} retry-after ${response.headers['retry-after'] ?? 'none'}`);
        request.destroy();
        socket.emit('error', new Error('refused'));
      });
      socket.on('close', (code, reason) => {
        if (code !== 1000) events.push(`socket closed: ${code} ${String(reason).replace(/"traceId":"[0-9a-f]{32}"/, '"traceId":"…"')}`);
      });
      socket.on('error', (error) => { if (error.code) events.push(`socket error: ${error.code}`); });
      return socket;
    },
    suspendOnClose: false,
  });
  session.on('closed', () => events.push('session: closed'));
  session.on('notification:*', (event, params) => {
    if (event !== 'OnConnected') events.push(`notification: ${event} ${params?.severity ?? ''}`.trim());
  });
  session.on('traffic:received', () => {});
  try {
    const global = await wait(session.open());
    if (global === late) seen.push('open: no answer');
    return { session, global: global === late ? undefined : global };
  } catch {
    seen.push('open: failed');
    return { session };
  }
}

/** Opens the app, reads three pages of a cube, and a list, one after the other. */
async function work(identity) {
  const { session, global } = await open(identity);
  if (!global) return;
  const doc = await call('OpenDoc', global.openDoc('Sales.qvf'));
  if (doc) {
    const chart = await call('GetObject', doc.getObject('CH01'));
    const page = (top) => [{ qTop: top, qLeft: 0, qWidth: 2, qHeight: 2 }];
    for (const top of [0, 1, 2]) {
      if (!chart) break;
      await call(`page ${top}`, chart.getHyperCubeData('/qHyperCubeDef', page(top)), ([{ qMatrix }]) => `${qMatrix.length} rows`);
    }
    // Two that overtake each other show in which order answers come.
    const order = [];
    const [first, second] = [doc.evaluate('Sum(Sales)'), doc.evaluate('1+1')];
    first.then(() => order.push('first'), () => {});
    second.then(() => order.push('second'), () => {});
    await Promise.all([call('Evaluate first', first), call('Evaluate second', second)]);
    seen.push(`order: ${order.join(' ')}`);
    if (scenario === 'reload') await call('DoReload', doc.doReload(), String);
  }
  await wait(Promise.resolve(session.close()).catch(() => {}));
}

for (let round = 0; round < (scenario === 'upgrade' ? 4 : 1); round += 1) await work(`faults-${round}`);
// What follows the last event at once is seen too.
await new Promise((resolve) => { setTimeout(resolve, 50); });
writeFileSync(file, JSON.stringify([...seen, ...events, ...thrown.map((name) => `thrown: ${name}`)]));
process.exit(0);
