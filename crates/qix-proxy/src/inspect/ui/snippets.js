'use strict';
// A call as others would write it: Rust, enigma.js, and the command line. A target knows the call that opened it, so that all steps
// from Global on can be written.

/** The calls that lead to a target, the first one first: `{target, method, params, text}` each. */
function waysTo(target) {
  const ways = [];
  for (let at = target; at?.by; at = at.by.target) ways.unshift({ ...at.by, opens: at });
  return ways;
}

const VARIABLES = { Global: 'global', Doc: 'app', GenericObject: 'object', Field: 'field', GenericMeasure: 'measure', GenericDimension: 'dimension', GenericBookmark: 'bookmark', GenericVariable: 'variable', Variable: 'variable' };

/** Names for targets that differ within one snippet. */
function variables(ways) {
  const names = new Map();
  const taken = new Set(['global', 'answer', 'session']);
  for (const { opens } of ways) {
    const base = VARIABLES[opens.class] ?? 'object';
    let name = base;
    for (let n = 2; taken.has(name); n += 1) name = `${base}${n}`;
    taken.add(name);
    names.set(opens, name);
  }
  return (target) => names.get(target) ?? 'global';
}

function asRust(call, { url }) {
  const ways = waysTo(call.target);
  const name = variables(ways);
  const lines = [
    'use qix_client::{Object, Session, transport::{Endpoint, WsConnect}};',
    'use serde_json::{Value, json};',
    '',
    `let connect = WsConnect::builder(Endpoint::parse(${rustText(url)})?).build()?;`,
    'let session = Session::connect(&connect).await?;',
    'let global = session.global();',
  ];
  const made = ({ target, method, text }) => `${name(target)}.call::<Value>("${method.name}", &json!(${rustJson(text)})).await?`;
  for (const way of ways) {
    lines.push(`let answer = ${made(way)};`);
    lines.push(`let ${name(way.opens)} = Object::new(session.clone(), serde_json::from_value(answer["${way.out}"].clone())?)?;`);
  }
  lines.push(`let answer = ${made(call)};`, 'println!("{answer:#}");');
  return lines.join('\n');
}

function rustText(text) {
  // JSON escapes what Rust escapes, but for the form of Unicode escapes.
  return JSON.stringify(text).replace(/\\u([0-9a-f]{4})/g, '\\u{$1}').replace(/\\[bf]/g, (escape) => ({ '\\b': '\\u{8}', '\\f': '\\u{c}' })[escape]);
}

/** JSON with its texts as Rust writes them. */
function rustJson(text) {
  return text.replace(/"(?:[^"\\]|\\.)*"/g, (literal) => rustText(JSON.parse(literal)));
}

function asEnigma(call, { url }) {
  const ways = waysTo(call.target);
  const name = variables(ways);
  const args = ({ text }) => (text.startsWith('[') ? text.slice(1, -1).trim() : text);
  const made = (way) => `await ${name(way.target)}.${way.method.name[0].toLowerCase()}${way.method.name.slice(1)}(${args(way)})`;
  return [
    "import enigma from 'enigma.js';",
    "import schema from 'enigma.js/schemas/12.2015.0.json' with { type: 'json' };",
    '',
    `const session = enigma.create({ schema, url: ${JSON.stringify(url)} });`,
    'const global = await session.open();',
    ...ways.map((way) => `const ${name(way.opens)} = ${made(way)};`),
    `const answer = ${made(call)};`,
    'console.log(answer);',
    'await session.close();',
  ].join('\n');
}

// What `qix-proxy call` opens by itself, with the method of which it does.
const OPENERS = { GenericObject: 'GetObject', Field: 'GetField', GenericMeasure: 'GetMeasure', GenericDimension: 'GetDimension', GenericBookmark: 'GetBookmark', GenericVariable: 'GetVariableById', Variable: 'GetVariable' };

function asCall(call, { url, lasting }) {
  const ways = waysTo(call.target);
  const writes = lasting || ways.some((way) => way.lasting) ? ' --allow-writes' : '';
  const options = ways.map((way, at) => {
    const only = oneText(way.text);
    if (only === null) return null;
    if (at === 0 && way.method.name === 'OpenDoc') return ` --app ${shellText(only)}`;
    return at === 1 && way.method.class === 'Doc' && OPENERS[way.opens.class] === way.method.name ? ` --object ${shellText(only)}` : null;
  });
  if (options.every((option) => option !== null)) {
    const params = call.text === '[]' ? '' : ` ${shellText(call.text)}`;
    return `qix-proxy call ${shellText(url)} ${call.method.class}.${call.method.name}${params}${options.join('')}${writes}`;
  }
  const name = variables(ways);
  const step = (way, opens) => JSON.stringify({ handle: `$${name(way.target)}`, method: `${way.method.class}.${way.method.name}` }).slice(0, -1)
    + `,"params":${way.text.replaceAll(/\s*\n\s*/g, ' ')}${opens ? `,"as":"${name(opens)}"` : ''}}`;
  const steps = [...ways.map((way) => step(way, way.opens)), step(call)];
  return `qix-proxy call ${shellText(url)} --file -${writes} <<'STEPS'\n${steps.join('\n')}\nSTEPS`;
}

/** The one text that parameters consist of; `null` if they are more, or something else. */
function oneText(text) {
  const params = JSON.parse(text);
  return Array.isArray(params) && params.length === 1 && typeof params[0] === 'string' ? params[0] : null;
}

/** Quotes for a POSIX shell. */
function shellText(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
