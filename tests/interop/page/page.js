// A mashup: a table of a hypercube, from the engine behind the origin that the page came from.

import enigma from 'enigma.js';
import schema from 'enigma.js/schemas/12.2027.0.json';
import { embed } from '@nebula.js/stardust';
import table from '@nebula.js/sn-table';

const base = location.pathname.replace(/[^/]*$/, '');

/** What a page must put into the query of a socket at a site of November 2024 and later; nothing elsewhere. */
async function csrf() {
  const answer = await fetch(`${base}qps/csrftoken`, { credentials: 'include' });
  const token = answer.headers.get('qlik-csrf-token');
  return token ? `?qlik-csrf-token=${encodeURIComponent(token)}` : '';
}

function column(values) {
  return values.map(({ qText, qNum, qState }) => [qText, qNum, qState]);
}

async function main() {
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  const url = `${scheme}://${location.host}${base}app/Sales.qvf/identity/page/ttl/0${await csrf()}`;
  const session = enigma.create({ schema, url });
  const global = await session.open();
  const app = await global.openDoc('Sales.qvf');

  const nebula = embed(app, {
    context: { theme: 'light', language: 'en-US' },
    types: [{ name: 'sn-table', load: () => Promise.resolve(table) }],
  });
  await (await nebula.selections()).mount(document.getElementById('selections'));
  const chart = await nebula.render({
    element: document.getElementById('table'),
    type: 'sn-table',
    properties: {
      title: 'Sales by product',
      qHyperCubeDef: {
        qDimensions: [
          { qDef: { qFieldDefs: ['Region'], qFieldLabels: ['Region'], qSortCriterias: [{ qSortByAscii: 1 }] } },
          { qDef: { qFieldDefs: ['Product'], qFieldLabels: ['Product'], qSortCriterias: [{ qSortByAscii: 1 }] } },
        ],
        qMeasures: [
          { qDef: { qDef: 'Sum(Sales)', qLabel: 'Sales' } },
          { qDef: { qDef: 'Sum(Quantity)', qLabel: 'Quantity' } },
        ],
        qInterColumnSortOrder: [0, 1, 2, 3],
      },
    },
  });

  const model = await app.getObject(chart.id);
  const version = await global.engineVersion();
  // Not shown: it is a secret that a recording does not have.
  window.user = await global.getAuthenticatedUser();
  let shown = 0;
  const show = async () => {
    shown += 1;
    const mine = shown;
    const layout = await model.getLayout();
    const cube = layout.qHyperCube;
    const area = { qTop: 0, qLeft: 0, qWidth: cube.qSize.qcx, qHeight: cube.qSize.qcy };
    const pages = await model.getHyperCubeData('/qHyperCubeDef', [area]);
    const total = await app.evaluate('Sum(Sales)');
    // A change that came meanwhile shows what is newer.
    if (mine !== shown) return;
    document.getElementById('values').textContent = JSON.stringify({
      version: version.qComponentVersion,
      total,
      modal: layout.qSelectionInfo?.qInSelections === true,
      size: cube.qSize,
      totals: column(cube.qGrandTotalRow),
      rows: pages.flatMap((page) => page.qMatrix.map(column)),
    });
  };
  model.on('changed', () => { show().catch(fail); });
  await show();
}

function fail(error) {
  document.getElementById('failure').textContent = String(error?.stack ?? error);
  console.error(error);
}

main().catch(fail);
