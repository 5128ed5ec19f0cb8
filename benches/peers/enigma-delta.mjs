// Patches answers with enigma.js's own code and says how long it took.
//
//   node enigma-delta.mjs FRAMES
//
// FRAMES holds one frame a line: the first sets the value, the others are applied in turn, over and over. Each line on
// standard input is a request, each line on standard output its answer:
//
//   patch N   apply N frames, without the copy for the caller; nanoseconds
//   copy N    the same as enigma.js does it, with the copy; nanoseconds
//   value     the value as JSON

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import vm from 'node:vm';

// The patcher is inside the bundle, so the bundle is run with one more line that hands it out.
const require = createRequire(import.meta.url);
const bundle = require.resolve('enigma.js');
const source = readFileSync(bundle, 'utf8');
const end = source.lastIndexOf('return Enigma;');
if (end < 0) throw new Error('enigma.js has no known end');
const handedOut = `${source.slice(0, end)}return { deltaResponseInterceptor, patchValue };${source.slice(end + 14)}`;
const module = { exports: {} };
vm.runInThisContext(`(function (module, exports, require) {${handedOut}\n})`, { filename: bundle })(module, module.exports, require);
const { deltaResponseInterceptor, patchValue } = module.exports;

const [root, ...frames] = readFileSync(process.argv[2], 'utf8').trim().split('\n');
const session = { id: 1, on() {} };
const request = { handle: 1, method: 'GetLayout' };

// What deltaResponseInterceptor does before it copies.
function patch(text) {
  const response = JSON.parse(text);
  const { result } = response;
  Object.keys(result).forEach((key) => {
    result[key] = patchValue(session, request.handle, `${request.method}-${key}`, result[key]);
  });
  return response;
}

const copy = (text) => deltaResponseInterceptor(session, request, JSON.parse(text));

let next = 0;
let held = copy(root);
function run(apply, count) {
  const start = process.hrtime.bigint();
  for (let done = 0; done < count; done += 1) {
    held = apply(frames[next]);
    next = (next + 1) % frames.length;
  }
  return (process.hrtime.bigint() - start).toString();
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const [what, count] = line.split(' ');
  const answers = {
    patch: () => run(patch, Number(count)),
    copy: () => run(copy, Number(count)),
    value: () => JSON.stringify(held.result.qLayout),
  };
  process.stdout.write(`${answers[what]()}\n`);
});
