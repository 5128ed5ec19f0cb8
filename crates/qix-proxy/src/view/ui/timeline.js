'use strict';
// The waterfall: what is seen of it, and its drawing. How it is moved is in gestures.js.

const SHORTEST = 20;

class Timeline {
  constructor(app) {
    this.app = app;
    this.store = app.store;
    this.rows = new Rows(app.store);
    this.t0 = 0;
    this.t1 = 0;
    this.isFitted = true;
    this.hover = -1;
    this.frames = [];
    const button = (text, title, onclick) => el('button', { type: 'button', class: 'tool', title, 'aria-label': title.replace(/ \(.*/, ''), onclick }, text);
    this.tools = el('div', { class: 'tl-tools', role: 'toolbar', 'aria-label': 'Timeline' },
      button('−', 'Zoom out (-)', () => this.zoom(2)),
      button('+', 'Zoom in (+)', () => this.zoom(0.5)),
      button('⤢', 'Show all (0)', () => this.fit()),
      button('◎', 'Zoom to the selected call (z)', () => this.zoomTo(this.app.selected)),
      button('◂', 'Earlier (a)', () => this.pan(-0.25)),
      button('▸', 'Later (d)', () => this.pan(0.25)),
      el('button', { type: 'button', class: 'tool wide', onclick: () => this.foldAll(true) }, 'Fold all'),
      el('button', { type: 'button', class: 'tool wide', onclick: () => this.foldAll(false) }, 'Unfold all'),
      el('span', { class: 'legend' }, ...[['wait', 'waiting'], ['transfer', 'transfer'], ['write-wait', 'may change something'], ['error', 'failed']].map(([look, words]) => [el('i', { class: look }), words]).flat()),
      this.range = el('span', { class: 'range' }));
    this.canvas = el('canvas', { 'aria-hidden': 'true' });
    this.space = el('div', { class: 'tl-space' });
    this.scroller = el('div', {
      class: 'tl-scroll', tabIndex: 0, role: 'application', id: 'timeline',
      'aria-label': 'Calls over time. Arrows go from call to call, plus and minus zoom, Enter opens a call.',
    }, this.canvas, this.space);
    this.overview = new Overview(this);
    this.node = el('div', { class: 'timeline' }, this.tools, this.overview.canvas, this.scroller);
    this.scroller.addEventListener('scroll', () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(this.scroller);
    addGestures(this);
    addTimelineKeys(this);
  }

  update() {
    if (this.isFitted) [this.t0, this.t1] = this.whole();
    this.draw();
  }

  whole() {
    const { duration } = this.store;
    return [-duration * 0.005, duration * 1.01];
  }

  fit() {
    this.isFitted = true;
    this.update();
  }

  get left() {
    const { clientWidth } = this.scroller;
    return clientWidth < 640 ? 104 : Math.min(260, Math.round(clientWidth * 0.22));
  }

  get scale() {
    return (this.scroller.clientWidth - this.left) / (this.t1 - this.t0);
  }

  timeAt(x) {
    return this.t0 + (x - this.left) / this.scale;
  }

  /** Shows from `t0` to `t1`, as far as there is something. */
  look(t0, t1) {
    const [begin, end] = this.whole();
    const span = Math.max(SHORTEST, Math.min(t1 - t0, end - begin));
    let from = t0 + (t1 - t0 - span) / 2;
    from = Math.max(begin, Math.min(from, end - span));
    this.isFitted = span >= (end - begin) * 0.9999;
    [this.t0, this.t1] = [from, from + span];
    this.draw();
  }

  zoom(factor, around = (this.t0 + this.t1) / 2) {
    this.look(around - (around - this.t0) * factor, around + (this.t1 - around) * factor);
  }

  pan(share) {
    const by = (this.t1 - this.t0) * share;
    this.look(this.t0 + by, this.t1 + by);
  }

  zoomTo(i) {
    if (i < 0) return;
    const [start, end] = [this.store.at[i], this.store.endOf(i)];
    let until = end;
    for (const fetch of (this.store.fetchesBy.get(this.store.seq[i]) ?? []).slice(0, 50)) until = Math.max(until, this.store.endOf(fetch));
    const room = Math.max(until - start, SHORTEST);
    this.look(start - room * 0.3, until + room * 0.3);
    this.reveal(i);
  }

  foldAll(isFolded) {
    this.rows.foldAll(isFolded);
    this.draw();
  }

  fold(conn) {
    this.rows.fold(conn);
    this.draw();
  }

  /** Brings a call into sight without zooming more than needed. */
  reveal(i) {
    const { store, scroller } = this;
    const [start, end] = [store.at[i], store.endOf(i)];
    if (end < this.t0 || start > this.t1 || (start < this.t0 && end - start < this.t1 - this.t0)) {
      const half = (this.t1 - this.t0) / 2;
      const middle = Math.min(start + half * 0.6, (start + end) / 2);
      this.look(middle - half, middle + half);
    }
    const row = this.rows.rowOfCall(i);
    if (row) {
      const room = scroller.clientHeight - RULER;
      if (row.y < scroller.scrollTop) scroller.scrollTop = row.y - 40;
      else if (row.y + row.height > scroller.scrollTop + room) scroller.scrollTop = row.y - room / 2;
    }
    this.draw();
  }

  draw() {
    if (this.waits) return;
    this.waits = true;
    requestAnimationFrame(() => {
      this.waits = false;
      const before = performance.now();
      this.paint();
      this.overview.paint();
      this.frames.push(performance.now() - before);
      if (this.frames.length > 200) this.frames.shift();
    });
  }

  paint() {
    const { scroller, canvas, store } = this;
    const width = scroller.clientWidth;
    const height = scroller.clientHeight;
    if (!width || !height) return;
    const rows = this.rows.now();
    this.space.style.height = `${Math.max(0, this.rows.height + RULER - height)}px`;
    const context = fitCanvas(canvas, width, height);
    const colours = this.app.colours;
    const { left, scale, t0, t1 } = this;
    const view = { t0, t1, left, scale, width, height, scrollTop: scroller.scrollTop };
    context.fillStyle = colours.bg;
    context.fillRect(0, 0, width, height);
    context.font = '12px system-ui, sans-serif';
    context.textBaseline = 'middle';
    const { is } = this.app.filter.result();
    const isOn = this.app.filter.isOn;
    const first = this.rows.at(view.scrollTop);
    const seen = [];
    for (let at = first; at < rows.length && rows[at].y - view.scrollTop < height; at += 1) seen.push(rows[at]);
    const top = (row) => RULER + row.y - view.scrollTop;
    for (const row of seen) {
      context.fillStyle = row.kind === 'conn' ? colours.bg2 : colours.line;
      if (row.kind === 'conn') context.fillRect(0, top(row), width, row.height);
      else context.fillRect(left, top(row) + row.height - 1, width, 0.5);
    }
    const ruler = paintRuler(context, view, colours, height);
    const rects = new Rects();
    for (const row of seen) {
      if (row.kind === 'conn') this.paintConnection(context, row, top(row), view, colours);
      if (row.track) rectsOfRow(rects, view, store, row, top(row), is, isOn);
    }
    rects.fill(context, colours);
    this.drawn = rects.count;
    const { selected } = this.app;
    if (selected >= 0) {
      paintArrows(context, view, arrowsOf(store, this.rows, selected), colours);
      this.outline(context, selected, view, colours.text, 2);
    }
    if (this.hover >= 0 && this.hover !== selected) this.outline(context, this.hover, view, colours.dim, 1);
    const current = selected >= 0 ? this.rows.rowOfCall(selected) : null;
    for (const row of seen) paintLabel(context, row, top(row), left, colours, row === current);
    context.fillStyle = colours.line;
    context.fillRect(left - 1, RULER, 1, height);
    ruler();
    context.fillStyle = colours.dim;
    context.fillText(fitted(context, left < 150 ? 'objects' : 'connections and objects', left - 20), 8, RULER / 2);
    this.range.textContent = `${momentWords(Math.max(0, t0), (t1 - t0) / 100)} – ${momentWords(t1, (t1 - t0) / 100)}`;
  }

  /** The life of a connection, and the selections in it. */
  paintConnection(context, row, top, view, colours) {
    const { t0, left, scale, width } = view;
    const x = (t) => Math.max(left, Math.min(width, left + (t - t0) * scale));
    const begin = this.store.connections.get(row.conn)?.at ?? 0;
    const end = this.store.ends.get(row.conn)?.at ?? this.store.duration;
    context.fillStyle = colours.dim;
    context.fillRect(x(begin), top + row.height - 3, Math.max(1, x(end) - x(begin)), 1.5);
    if (row.isFolded) return;
    context.fillStyle = colours['write-transfer'];
    let drawn = -1e9;
    for (const { conn, at, words } of this.store.selections) {
      if (conn !== row.conn || !words || at < t0) continue;
      const place = left + (at - t0) * scale;
      if (place > width) break;
      if (place - drawn < 3) continue;
      drawn = place;
      context.beginPath();
      context.moveTo(place - 4, top + 5);
      context.lineTo(place + 4, top + 5);
      context.lineTo(place, top + 12);
      context.fill();
    }
  }

  outline(context, i, view, colour, thick) {
    const row = this.rows.rowOfCall(i);
    if (!row?.track) return;
    const x0 = view.left + (this.store.at[i] - view.t0) * view.scale;
    const x1 = view.left + (this.store.endOf(i) - view.t0) * view.scale;
    const y = RULER + row.y - view.scrollTop + ROW_PAD + laneOf(row, this.store, i) * LANE;
    context.strokeStyle = colour;
    context.lineWidth = thick;
    const from = Math.max(x0, view.left - 4);
    context.strokeRect(from - 1.5, y - 0.5, Math.max(3, Math.min(x1, view.width + 4) - from + 3), LANE - 1);
  }

  /** Returns the call at a place of the canvas, or -1; and the row there. */
  callAt(x, y) {
    const place = this.rows.at(y - RULER + this.scroller.scrollTop);
    const row = y < RULER ? undefined : this.rows.rows[place];
    if (!row?.track || x < this.left) return { row, call: -1 };
    const { index, start, end, latest, lane } = row.track;
    const inside = y - RULER + this.scroller.scrollTop - row.y - ROW_PAD;
    const wanted = Math.max(0, Math.min(row.track.lanes - 1, Math.floor(inside / LANE)));
    const [t, near] = [this.timeAt(x), 3 / this.scale];
    let [best, distance] = [-1, Infinity];
    const until = firstFrom(start, t + near);
    for (let k = firstFrom(latest, t - near); k < until; k += 1) {
      if (lane[k] !== wanted || end[k] < t - near) continue;
      const away = t < start[k] ? start[k] - t : t > end[k] ? t - end[k] : 0;
      if (away <= distance) [best, distance] = [index[k], away];
    }
    return { row, call: best };
  }
}
