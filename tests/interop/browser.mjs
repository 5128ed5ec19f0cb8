// A page in a real browser: a chart of nebula.js on enigma.js, with a selection made by mouse.
//
//   node browser.mjs URL [--json FILE] [--pictures PREFIX] [--trust FILE.pem] [--proxy http://HOST:PORT] [--login USER:PASSWORD]
//
// It verifies certificates as every browser does: --trust puts a root into the certificate store of the browser's user,
// who has a home of his own for this run.

import { parseArgs } from 'node:util';
import { browse, report } from './visit.mjs';

async function main() {
  const { values: options, positionals } = parseArgs({
    allowPositionals: true,
    options: Object.fromEntries(['json', 'pictures', 'trust', 'proxy', 'login'].map((name) => [name, { type: 'string' }])),
  });
  const [url] = positionals;
  if (!url) throw new Error('which page? Give its URL');
  report(await browse(url, options), options.json);
}

main().catch((error) => {
  console.error(`browser: ${error.stack ?? error}`);
  process.exitCode = 1;
});
