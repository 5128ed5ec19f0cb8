// Writes the HAR of a visit of the page as Playwright records one.
//
//   node har-playwright.mjs URL HAR [--json FILE] [--content embed|attach]

import { parseArgs } from 'node:util';
import { browse, report } from './visit.mjs';

const { values: options, positionals: [url, path] } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string' }, content: { type: 'string', default: 'embed' } },
});
const context = { recordHar: { path, content: options.content, mode: 'full' } };
browse(url, { context }).then((visited) => report(visited, options.json)).catch((error) => {
  console.error(`har-playwright: ${error.stack ?? error}`);
  process.exitCode = 1;
});
