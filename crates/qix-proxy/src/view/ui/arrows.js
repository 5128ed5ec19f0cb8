'use strict';
// Arrows from the selected call to what it made change and what was fetched for that, and back to what made it fetch.

const MOST_ARROWS = 300;

/** Returns where arrows go: pairs of points in time and row, and the changes as points. */
function arrowsOf(store, rows, i) {
  const arrows = [];
  const marks = [];
  const row = rows.rowOfCall(i);
  if (!row) return { arrows, marks };
  const lane = (k) => laneOf(rows.rowOfCall(k), store, k);
  const here = { t: store.endOf(i), row, lane: lane(i) };
  const by = store.fetch[i] === FETCHED_CHANGED ? store.indexOf(store.by[i]) : -1;
  if (by >= 0) {
    const from = { t: store.endOf(by), row: rows.rowOfCall(by), lane: lane(by) };
    if (from.row) arrows.push({ from, to: { t: store.at[i], row, lane: lane(i) }, call: by });
  }
  const told = new Map();
  for (const change of store.changesBy.get(store.seq[i]) ?? []) {
    for (const number of change.objects) {
      const to = rows.rowOfObject(number);
      if (!to || told.has(to.key) || arrows.length >= MOST_ARROWS) continue;
      const mark = { t: Math.max(change.at, here.t), row: to, lane: 0 };
      told.set(to.key, mark);
      marks.push(mark);
      if (to !== row) arrows.push({ from: here, to: mark, isChange: true });
    }
  }
  for (const k of store.fetchesBy.get(store.seq[i]) ?? []) {
    if (arrows.length >= MOST_ARROWS) break;
    const to = { t: store.at[k], row: rows.rowOfCall(k), lane: lane(k) };
    if (to.row) arrows.push({ from: told.get(to.row.key) ?? here, to, call: k });
  }
  return { arrows, marks };
}

function laneOf(row, store, i) {
  if (!row?.track) return 0;
  const { index, start, lane } = row.track;
  for (let k = firstFrom(start, store.at[i]); k < index.length && start[k] === store.at[i]; k += 1) {
    if (index[k] === i) return lane[k];
  }
  return 0;
}

/** Draws arrows and marks. */
function paintArrows(context, view, { arrows, marks }, colours) {
  const { t0, left, scale, width, scrollTop, height } = view;
  const x = (point) => left + (point.t - t0) * scale;
  const y = (point) => RULER + point.row.y - scrollTop + ROW_PAD + point.lane * LANE + LANE / 2;
  context.save();
  context.beginPath();
  context.rect(left, RULER, width - left, height - RULER);
  context.clip();
  context.lineWidth = 1.4;
  context.strokeStyle = colours.arrow;
  context.fillStyle = colours.arrow;
  for (const { from, to, isChange } of arrows) {
    const [x0, y0, x1, y1] = [x(from), y(from), x(to), y(to)];
    if (Math.max(x0, x1) < left - 200 || Math.min(x0, x1) > width + 200) continue;
    const bend = Math.max(18, Math.min(80, Math.abs(x1 - x0) / 2));
    context.setLineDash(isChange ? [3, 3] : []);
    context.beginPath();
    context.moveTo(x0, y0);
    context.bezierCurveTo(x0 + bend, y0, x1 - bend, y1, x1, y1);
    context.stroke();
    context.setLineDash([]);
    if (isChange) continue;
    context.beginPath();
    context.moveTo(x1, y1);
    context.lineTo(x1 - 7, y1 - 4);
    context.lineTo(x1 - 7, y1 + 4);
    context.fill();
  }
  for (const mark of marks) {
    context.beginPath();
    context.moveTo(x(mark), y(mark) - 4.5);
    context.lineTo(x(mark) + 4.5, y(mark));
    context.lineTo(x(mark), y(mark) + 4.5);
    context.lineTo(x(mark) - 4.5, y(mark));
    context.fill();
  }
  context.restore();
}
