'use strict';
// Charts of latency and size: how often, and over time.

class Charts {
  constructor(app) {
    this.app = app;
    this.node = el('div', { class: 'charts' });
    this.charts = [
      this.chart('How long calls took', 'Click a bar to see calls as slow or slower', (canvas) => this.histogram(canvas, (i) => this.app.store.latency(i), timeWords, 10)),
      this.chart('Latency over time', 'Each dot is a call; click one to open it', (canvas) => this.scatter(canvas)),
      this.chart('How large answers were', '', (canvas) => this.histogram(canvas, (i) => this.app.store.bytes[i], sizeWords, 1)),
      this.chart('Bytes over time', '', (canvas) => this.volume(canvas)),
    ];
    this.charts[0].canvas.addEventListener('click', (event) => this.slower(event));
    this.charts[1].canvas.addEventListener('click', (event) => this.nearest(event));
    new ResizeObserver(() => this.update()).observe(this.node);
  }

  chart(title, hint, paint) {
    const canvas = el('canvas', { role: 'img' });
    const words = el('p', { class: 'dim' });
    this.node.append(el('section', { class: 'chart' }, el('h2', {}, title), canvas, words, hint ? el('p', { class: 'dim' }, hint) : null));
    return { canvas, words, paint };
  }

  update() {
    if (!this.node.clientWidth) return;
    for (const chart of this.charts) {
      const text = chart.paint(chart.canvas);
      chart.words.textContent = text;
      chart.canvas.setAttribute('aria-label', text);
    }
  }

  begin(canvas, left = 54) {
    const width = Math.max(200, canvas.parentNode.clientWidth - 24);
    const height = 190;
    const context = fitCanvas(canvas, width, height);
    const { colours } = this.app;
    context.fillStyle = colours.bg;
    context.fillRect(0, 0, width, height);
    context.font = '11px system-ui, sans-serif';
    context.textBaseline = 'middle';
    context.fillStyle = colours.line;
    context.fillRect(left, height - 22, width - left, 1);
    return { context, width: width - 8, height, left, bottom: height - 22, colours };
  }

  /** How often each order of magnitude, in four steps each. */
  histogram(canvas, value, words, least) {
    const { store, filter } = this.app;
    const place = (number) => Math.max(0, Math.round(Math.log10(Math.max(number, least) / least) * 4));
    const counts = [];
    let all = 0;
    for (const i of filter.hits()) {
      const number = value(i);
      if (number < 0) continue;
      const at = place(number);
      counts[at] = (counts[at] ?? 0) + 1;
      all += 1;
    }
    const first = Math.max(0, counts.findIndex((count) => count) - 1);
    const last = Math.max(counts.length, first + 8);
    const { context, width, left, bottom, colours } = this.begin(canvas);
    const most = Math.max(1, ...counts.filter(Boolean));
    const step = (width - left) / (last - first);
    if (canvas === this.charts?.[0].canvas) this.bars = { first, step, left, least };
    for (let at = first; at < last; at += 1) {
      const x = left + (at - first) * step;
      const height = counts[at] ? Math.max(2, (counts[at] / most) * (bottom - 18)) : 0;
      context.fillStyle = colours.transfer;
      context.fillRect(x + 1, bottom - height, step - 2, height);
      if (at % 4 === 0) {
        context.fillStyle = colours.dim;
        context.textAlign = 'center';
        context.fillText(words(least * 10 ** (at / 4)), x + step / 2, bottom + 11);
      }
    }
    this.scale(context, left, bottom, most, colours);
    const sorted = Float64Array.from(filter.hits(), value).filter((number) => number >= 0).sort();
    const part = (share) => (sorted.length ? words(quantile(sorted, share)) : '–');
    return `${countWords(all, 'call')}: half within ${part(0.5)}, 95 % within ${part(0.95)}, 99 % within ${part(0.99)}, largest ${part(1)}`;
  }

  scale(context, left, bottom, most, colours) {
    context.fillStyle = colours.dim;
    context.textAlign = 'right';
    context.fillText(numberWords(most), left - 6, 18);
    context.fillText('0', left - 6, bottom);
  }

  scatter(canvas) {
    const { store, filter } = this.app;
    const { context, width, left, bottom, colours } = this.begin(canvas);
    let most = 1e4;
    for (const i of filter.hits()) most = Math.max(most, store.latency(i));
    const top = Math.ceil(Math.log10(most));
    const y = (us) => bottom - ((Math.log10(Math.max(us, 10)) - 1) / (top - 1)) * (bottom - 12);
    context.textAlign = 'right';
    for (let power = 2; power <= top; power += 1) {
      context.fillStyle = colours.line;
      context.fillRect(left, Math.round(y(10 ** power)), width - left, 0.5);
      context.fillStyle = colours.dim;
      context.fillText(timeWords(10 ** power), left - 6, y(10 ** power));
    }
    const scale = (width - left) / store.duration;
    // One dot where many would be the same pixels.
    const drawn = new Uint8Array((width + 1) * (bottom + 1));
    const failed = [];
    context.fillStyle = colours.transfer;
    for (const i of filter.hits()) {
      const latency = store.latency(i);
      if (latency < 0) continue;
      const [px, py] = [Math.round(left + store.at[i] * scale), Math.max(0, Math.round(y(latency)))];
      if (store.error[i] >= 0) failed.push(px, py);
      if (drawn[py * width + px]) continue;
      drawn[py * width + px] = 1;
      context.fillRect(px - 1, py - 1, 2.5, 2.5);
    }
    context.fillStyle = colours.error;
    for (let at = 0; at < failed.length; at += 2) context.fillRect(failed[at] - 2, failed[at + 1] - 2, 4, 4);
    this.axis(context, left, width, bottom, colours);
    this.dots = { left, scale, y };
    return `${countWords(filter.hits().length, 'call')}; failed ones are larger and red`;
  }

  volume(canvas) {
    const { store, filter } = this.app;
    const { context, width, left, bottom, colours } = this.begin(canvas);
    const slots = Math.max(10, Math.floor((width - left) / 5));
    const sums = new Float64Array(slots);
    let all = 0;
    for (const i of filter.hits()) {
      const at = Math.min(slots - 1, Math.floor((store.endOf(i) / store.duration) * slots));
      sums[at] += store.bytes[i] + store.sent[i];
      all += store.bytes[i] + store.sent[i];
    }
    const most = sums.reduce((a, b) => Math.max(a, b), 1);
    const step = (width - left) / slots;
    context.fillStyle = colours.transfer;
    sums.forEach((sum, at) => {
      const height = sum ? Math.max(1.5, (sum / most) * (bottom - 18)) : 0;
      context.fillRect(left + at * step, bottom - height, step - 1, height);
    });
    context.fillStyle = colours.dim;
    context.textAlign = 'right';
    context.fillText(sizeWords(most), left - 6, 18);
    this.axis(context, left, width, bottom, colours);
    return `${sizeWords(all)} in requests and answers`;
  }

  axis(context, left, width, bottom, colours) {
    const { duration } = this.app.store;
    const { marks, step } = rulerMarks(0, duration, width - left);
    context.fillStyle = colours.dim;
    context.textAlign = 'left';
    for (const mark of marks) {
      const x = left + (mark / duration) * (width - left);
      if (x + 50 < width) context.fillText(momentWords(mark, step), x, bottom + 11);
    }
  }

  slower({ offsetX }) {
    const { first, step, left, least } = this.bars;
    const at = first + Math.floor((offsetX - left) / step);
    if (at < first) return;
    this.app.setFilter({ slower: Math.round(least * 10 ** ((at - 0.5) / 4)) });
    this.app.open('calls');
  }

  nearest({ offsetX, offsetY }) {
    const { store, filter } = this.app;
    const { left, scale, y } = this.dots;
    let [best, distance] = [-1, 144];
    for (const i of filter.hits()) {
      const away = (left + store.at[i] * scale - offsetX) ** 2 + (y(store.latency(i)) - offsetY) ** 2;
      if (store.latency(i) >= 0 && away < distance) [best, distance] = [i, away];
    }
    if (best >= 0) this.app.select(best);
  }
}

/** Returns the value below which a share of sorted numbers is. */
function quantile(sorted, share) {
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * share) - 1))] : 0;
}
