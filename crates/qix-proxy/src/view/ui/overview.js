'use strict';
// The strip above the timeline: how much happened when, and the part of it that is seen.

const STRIP = 44;

class Overview {
  constructor(timeline) {
    this.timeline = timeline;
    this.canvas = el('canvas', { class: 'overview', role: 'img', 'aria-label': 'How many calls were under way over the whole time' });
    this.kept = { key: '' };
    this.canvas.addEventListener('pointerdown', (event) => this.press(event));
    this.canvas.addEventListener('wheel', (event) => {
      event.preventDefault();
      timeline.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.timeAt(event.offsetX));
    }, { passive: false });
  }

  get width() {
    return this.timeline.scroller.clientWidth;
  }

  timeAt(x) {
    const [begin, end] = this.timeline.whole();
    return begin + (x / this.width) * (end - begin);
  }

  /** For each pixel, how many calls began or went on, failed, and match. */
  counts() {
    const { app, store } = this.timeline;
    const width = this.width;
    const key = `${store.version}/${app.filter.version}/${width}`;
    if (this.kept.key === key) return this.kept;
    const all = new Float32Array(width + 2);
    const failed = new Uint8Array(width + 2);
    const hit = new Uint8Array(width + 2);
    const [begin, end] = this.timeline.whole();
    const scale = width / (end - begin);
    const { is } = app.filter.result();
    for (let i = 0; i < store.size; i += 1) {
      const from = Math.max(0, Math.min(width - 1, Math.floor((store.at[i] - begin) * scale)));
      const until = Math.max(from, Math.min(width - 1, Math.floor((store.endOf(i) - begin) * scale)));
      all[from] += 1;
      all[until + 1] -= 1;
      if (store.error[i] >= 0) failed[from] = 1;
      if (is[i]) hit[from] = 1;
    }
    let most = 1;
    for (let x = 1; x < width; x += 1) all[x] += all[x - 1];
    for (let x = 0; x < width; x += 1) most = Math.max(most, all[x]);
    this.kept = { key, all, failed, hit, most };
    return this.kept;
  }

  paint() {
    const { timeline, width } = this;
    if (!width) return;
    const { colours, filter } = timeline.app;
    const context = fitCanvas(this.canvas, width, STRIP);
    const { all, failed, hit, most } = this.counts();
    const [begin, end] = timeline.whole();
    const scale = width / (end - begin);
    const [from, until] = [(timeline.t0 - begin) * scale, (timeline.t1 - begin) * scale];
    context.fillStyle = colours.bg2;
    context.fillRect(0, 0, width, STRIP);
    context.fillStyle = colours.bg;
    context.fillRect(from, 0, until - from, STRIP);
    for (let x = 0; x < width; x += 1) {
      if (!all[x]) continue;
      // The root lets few be seen beside many.
      const height = Math.max(1.5, Math.sqrt(all[x] / most) * (STRIP - 12));
      context.fillStyle = filter.isOn && !hit[x] ? colours.faded : colours.wait;
      context.fillRect(x, STRIP - 4 - height, 1, height);
    }
    context.fillStyle = colours.error;
    for (let x = 0; x < width; x += 1) if (failed[x]) context.fillRect(x - 0.5, STRIP - 4, 2, 4);
    if (filter.isOn) {
      context.fillStyle = colours.hit;
      for (let x = 0; x < width; x += 1) if (hit[x]) context.fillRect(x - 0.5, 0, 2, 5);
    }
    context.strokeStyle = colours.accent;
    context.lineWidth = 1.5;
    context.strokeRect(Math.max(1, from), 1, Math.min(width - 1, until) - Math.max(1, from), STRIP - 2);
    context.fillStyle = colours.line;
    context.fillRect(0, STRIP - 1, width, 1);
  }

  press(event) {
    const { timeline } = this;
    const start = this.timeAt(event.offsetX);
    const moves = !timeline.isFitted && start > timeline.t0 && start < timeline.t1;
    const [t0, t1] = [timeline.t0, timeline.t1];
    this.canvas.setPointerCapture(event.pointerId);
    let moved = false;
    const drag = (move) => {
      const now = this.timeAt(move.offsetX);
      moved ||= Math.abs(move.offsetX - event.offsetX) > 3;
      if (!moved) return;
      if (moves) timeline.look(t0 + now - start, t1 + now - start);
      else timeline.look(Math.min(start, now), Math.max(start, now));
    };
    const over = new AbortController();
    const release = ({ type }) => {
      over.abort();
      const half = (t1 - t0) / 2;
      if (!moved && type === 'pointerup') timeline.look(start - half, start + half);
    };
    for (const [name, does] of [['pointermove', drag], ['pointerup', release], ['pointercancel', release]]) {
      this.canvas.addEventListener(name, does, { signal: over.signal });
    }
  }
}
