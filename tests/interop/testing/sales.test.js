import { spawn } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import enigma from 'enigma.js';
import schema from 'enigma.js/schemas/12.2027.0.json' with { type: 'json' };
import WebSocket from 'ws';

let replay; let url;
beforeAll(async () => {
  replay = spawn(process.env.QIX_PROXY ?? 'qix-proxy', ['replay', '--listen', '127.0.0.1:0', process.env.RECORDING]);
  replay.stderr.pipe(process.stderr); // what the recording does not have
  const line = await new Promise((resolve) => replay.stdout.once('data', (data) => resolve(String(data))));
  url = line.match(/ws:\/\/[\d.:]+/)[0];
});
afterAll(async () => {
  const ended = new Promise((resolve) => replay.once('exit', resolve));
  replay.kill(); // asks it to stop
  expect(await ended, 'everything that was asked for was recorded').toBe(0);
});

test('the app has sheets', async () => {
  const session = enigma.create({ schema, url: `${url}/app/Sales.qvf`, createSocket: (to) => new WebSocket(to) });
  const app = await (await session.open()).openDoc('Sales.qvf');
  const list = await app.createSessionObject({
    qInfo: { qId: 'sheets', qType: 'demo' },
    qAppObjectListDef: { qType: 'sheet', qData: { title: '/qMetaDef/title' } },
  });
  const { qItems } = (await list.getLayout()).qAppObjectList;
  expect(qItems.map((item) => item.qMeta.title)).toContain('Overview');
  await session.close();
});
