// Makes calls with enigma.js and says what they cost.
//
//   node enigma-calls.mjs URL DELTA
//
// Says `ready` once the session is open. Each line on standard input is a request, each line on standard output its answer:
//
//   HANDLE METHOD CALLS IN_FLIGHT   makes the calls; nanoseconds of time and microseconds of CPU
//   sessions COUNT                  opens sessions; KiB that each takes

import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import WebSocket from 'ws';

const require = createRequire(import.meta.url);
const enigma = require('enigma.js');
const schema = require('enigma.js/schemas/12.2015.0.json');

const [url, delta] = process.argv.slice(2);
const create = () =>
  enigma.create({
    schema,
    url,
    createSocket: (to) => new WebSocket(to, { perMessageDeflate: false }),
    protocol: { delta: delta === 'true' },
  });

const session = create();
const global = await session.open();
const objects = new Map([['-1', global]]);
function object(handle) {
  if (!objects.has(handle)) {
    const args = { handle: Number(handle), id: `o${handle}`, type: 'GenericObject', genericType: 'table' };
    objects.set(handle, session.getObjectApi(args));
  }
  return objects.get(handle);
}

async function calls(handle, method, count, inFlight) {
  const api = object(handle);
  const name = method[0].toLowerCase() + method.slice(1);
  const params = method === 'GetHyperCubeData' ? ['/qHyperCubeDef', []] : [];
  const cpu = process.cpuUsage();
  const start = process.hrtime.bigint();
  let left = count;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      await api[name](...params);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  const wall = process.hrtime.bigint() - start;
  const used = process.cpuUsage(cpu);
  return `${wall} ${used.user + used.system}`;
}

const kept = [];
async function sessions(count) {
  const before = process.memoryUsage().rss;
  for (let opened = 0; opened < count; opened += 1) {
    const one = create();
    await one.open();
    kept.push(one);
  }
  return (process.memoryUsage().rss - before) / 1024 / count;
}

process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  const [handle, method, count, inFlight] = line.split(' ');
  const answer =
    handle === 'sessions' ? await sessions(Number(method)) : await calls(handle, method, Number(count), Number(inFlight));
  process.stdout.write(`${answer}\n`);
}
process.exit(0);
