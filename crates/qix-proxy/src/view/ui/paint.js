'use strict';
// Draws the timeline: only rows that are seen, and calls that share a pixel once.

const RULER = 26;
const STYLES = ['faded', 'wait', 'transfer', 'write-wait', 'write-transfer', 'error'];

/** Reads the colours of the page, for what is drawn rather than styled. */
function readColours() {
  const style = getComputedStyle(document.documentElement);
  const colours = {};
  for (const name of ['bg', 'bg2', 'line', 'text', 'dim', 'accent', 'arrow', 'hit', ...STYLES]) colours[name] = style.getPropertyValue(`--${name}`).trim();
  return colours;
}

/** Makes a canvas as fine as the screen, and returns its context with lengths in CSS pixels. */
function fitCanvas(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext('2d', { alpha: false });
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

/** Returns the moments at which a ruler has marks, and the step between them. */
function rulerMarks(t0, t1, room) {
  const raw = (t1 - t0) / Math.max(1, room / 110);
  const seconds = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400].map((step) => step * 1e6);
  let step = seconds.find((each) => each >= raw) ?? 86400e6 * Math.ceil(raw / 86400e6);
  if (raw < 1e6) {
    const power = 10 ** Math.floor(Math.log10(Math.max(raw, 1)));
    step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= raw);
  }
  const marks = [];
  for (let mark = Math.ceil(t0 / step) * step; mark <= t1; mark += step) marks.push(mark);
  return { marks, step };
}

/** Collects rectangles by style, so that each style is set once. */
class Rects {
  constructor() {
    this.of = STYLES.map(() => []);
    this.count = 0;
  }

  add(style, x, y, width, height) {
    this.of[style].push(x, y, width, height);
    this.count += 1;
  }

  fill(context, colours) {
    STYLES.forEach((name, style) => {
      const list = this.of[style];
      if (!list.length) return;
      context.fillStyle = colours[name];
      for (let at = 0; at < list.length; at += 4) context.fillRect(list[at], list[at + 1], list[at + 2], list[at + 3]);
    });
  }
}

/** Adds the calls of a row that are seen. */
function rectsOfRow(rects, view, store, row, top, is, isOn) {
  const { t0, t1, left, scale, width } = view;
  const { index, start, end, latest, lane } = row.track;
  // How far each lane is filled with a style, and where its last small rectangle is.
  const till = new Float64Array(MOST_LANES * STYLES.length).fill(-1e9);
  const last = new Int32Array(MOST_LANES * STYLES.length).fill(-1);
  const put = (style, at, x, y, w, h) => {
    const slot = at * STYLES.length + style;
    if (x + w <= till[slot]) return;
    const list = rects.of[style];
    // What begins within the pixel where the last one ends makes that one longer.
    if (last[slot] >= 0 && x - till[slot] < 0.6 && w < 2) {
      list[last[slot] + 2] = x + w - list[last[slot]];
    } else {
      rects.add(style, x, y, w, h);
      last[slot] = list.length - 4;
    }
    till[slot] = x + w;
  };
  const until = firstFrom(start, t1);
  for (let k = firstFrom(latest, t0); k < until; k += 1) {
    if (end[k] < t0) continue;
    const i = index[k];
    const at = lane[k];
    const x0 = Math.max(left - 2, left + (start[k] - t0) * scale);
    const x1 = Math.min(width + 2, left + (end[k] - t0) * scale);
    const w = Math.max(1.2, x1 - x0);
    const y = top + ROW_PAD + at * LANE + 1;
    const h = LANE - 3;
    if (isOn && !is[i]) put(0, at, x0, y, w, h);
    else if (store.error[i] >= 0 || store.wait[i] < 0) put(5, at, x0, y - 1, w, h + 2);
    else {
      const base = store.effect[i] > 0 ? 3 : 1;
      put(base, at, x0, y, w, h);
      if (store.transfer[i] > 0) {
        const from = Math.max(x0, left + (start[k] + store.wait[i] - t0) * scale);
        if (x1 - from > 0.8) put(base + 1, at, from, y, x1 - from, h);
      }
    }
  }
}

/** Returns a text cut to a width, with a mark of the cut. */
function fitted(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (context.measureText(`${text.slice(0, middle)}…`).width <= width) low = middle;
    else high = middle - 1;
  }
  return `${text.slice(0, low)}…`;
}

/** Draws the ruler above the rows, and its lines through them. */
function paintRuler(context, view, colours, height) {
  const { t0, t1, left, scale, width } = view;
  const { marks, step } = rulerMarks(t0, t1, width - left);
  context.fillStyle = colours.line;
  for (const mark of marks) context.fillRect(Math.round(left + (mark - t0) * scale), RULER, 1, height);
  return () => {
    context.fillStyle = colours.bg2;
    context.fillRect(0, 0, width, RULER);
    context.fillStyle = colours.line;
    context.fillRect(0, RULER - 1, width, 1);
    context.textAlign = 'left';
    for (const mark of marks) {
      const x = Math.round(left + (mark - t0) * scale);
      context.fillStyle = colours.line;
      context.fillRect(x, RULER - 7, 1, 7);
      const words = momentWords(mark, step);
      if (x + 4 + context.measureText(words).width > width) continue;
      context.fillStyle = colours.dim;
      context.fillText(words, x + 4, RULER / 2);
    }
    context.fillStyle = colours.bg2;
    context.fillRect(0, 0, left, RULER - 1);
  };
}

/** Draws what a row is called. */
function paintLabel(context, row, top, left, colours, isCurrent) {
  context.fillStyle = isCurrent ? colours.line : row.kind === 'conn' ? colours.bg2 : colours.bg;
  context.fillRect(0, top, left - 1, row.height);
  const isConn = row.kind === 'conn';
  const middle = top + Math.min(row.height, LANE + 2 * ROW_PAD) / 2;
  const count = numberWords(row.count);
  context.fillStyle = colours.dim;
  context.textAlign = 'right';
  const isNarrow = left < 150;
  if (!isNarrow) context.fillText(count, left - 8, middle);
  context.textAlign = 'left';
  const x = isConn ? 20 : 26;
  if (isConn) context.fillText(row.isFolded ? '▸' : '▾', 7, middle);
  context.fillStyle = colours.text;
  context.font = `${isConn ? 600 : 400} 12px system-ui, sans-serif`;
  const room = left - x - 8 - (isNarrow ? 0 : context.measureText(count).width + 8);
  if (row.fitted?.room !== room || row.fitted.name !== row.name) row.fitted = { room, name: row.name, text: fitted(context, row.name, room) };
  context.fillText(row.fitted.text, x, middle);
  context.font = '12px system-ui, sans-serif';
}
