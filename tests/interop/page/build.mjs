// Bundles the page into a folder: node page/build.mjs FOLDER

import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const [folder] = process.argv.slice(2);
if (!folder) {
  console.error('usage: node page/build.mjs FOLDER');
  process.exit(2);
}
const here = dirname(fileURLToPath(import.meta.url));
mkdirSync(folder, { recursive: true });
await build({
  entryPoints: [join(here, 'page.js')],
  outfile: join(folder, 'page.js'),
  bundle: true,
  minify: true,
  target: 'es2022',
  define: { 'process.env.NODE_ENV': '"production"' },
  logLevel: 'warning',
});
for (const file of ['index.html', 'page.css']) copyFileSync(join(here, file), join(folder, file));
