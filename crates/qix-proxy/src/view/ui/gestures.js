'use strict';
// Moves the timeline: wheel, pinch, drag, click, and keys.

function addGestures(timeline) {
  const { canvas, scroller } = timeline;
  const fingers = new Map();
  let drag = null;
  let pinch = null;

  scroller.addEventListener('wheel', (event) => {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const hasMore = scroller.scrollHeight > scroller.clientHeight + 1;
    if (event.ctrlKey || event.metaKey || event.altKey || y < RULER || (!hasMore && !event.shiftKey && Math.abs(event.deltaY) > Math.abs(event.deltaX))) {
      event.preventDefault();
      // A pinch on a touch pad comes as small steps of a wheel with Ctrl.
      const factor = Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * (event.ctrlKey ? 0.01 : 0.004));
      timeline.zoom(factor, timeline.timeAt(Math.max(x, timeline.left)));
      return;
    }
    const across = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (Math.abs(across) > (event.shiftKey ? 0 : Math.abs(event.deltaY))) {
      event.preventDefault();
      const by = across / timeline.scale;
      timeline.look(timeline.t0 + by, timeline.t1 + by);
    }
  }, { passive: false });

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };

  canvas.addEventListener('pointerdown', (event) => {
    if (event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, place(event));
    scroller.focus({ preventScroll: true });
    hideTip();
    if (fingers.size === 2) {
      const [one, two] = [...fingers.values()];
      pinch = { apart: Math.max(10, Math.abs(one.x - two.x)), t0: timeline.t0, t1: timeline.t1, middle: timeline.timeAt((one.x + two.x) / 2) };
      drag = null;
      return;
    }
    drag = { ...place(event), t0: timeline.t0, t1: timeline.t1, top: scroller.scrollTop, scale: timeline.scale, moved: false };
    drag.zooms = drag.y < RULER || event.shiftKey;
  });

  canvas.addEventListener('pointermove', (event) => {
    const now = place(event);
    if (!fingers.has(event.pointerId)) {
      hover(now, event);
      return;
    }
    fingers.set(event.pointerId, now);
    if (pinch && fingers.size === 2) {
      const [one, two] = [...fingers.values()];
      const factor = pinch.apart / Math.max(10, Math.abs(one.x - two.x));
      timeline.look(pinch.middle - (pinch.middle - pinch.t0) * factor, pinch.middle + (pinch.t1 - pinch.middle) * factor);
      return;
    }
    if (!drag) return;
    drag.moved ||= Math.hypot(now.x - drag.x, now.y - drag.y) > 4;
    if (!drag.moved || drag.zooms) return;
    const by = (drag.x - now.x) / drag.scale;
    timeline.look(drag.t0 + by, drag.t1 + by);
    scroller.scrollTop = drag.top + drag.y - now.y;
    canvas.classList.add('dragging');
  });

  const release = (event) => {
    fingers.delete(event.pointerId);
    canvas.classList.remove('dragging');
    if (fingers.size === 0 && drag && event.type === 'pointerup') {
      const now = place(event);
      if (drag.moved && drag.zooms) {
        const [one, two] = [timeline.timeAt(drag.x), timeline.timeAt(now.x)];
        timeline.look(Math.min(one, two), Math.max(one, two));
      } else if (!drag.moved) click(now);
    }
    drag = null;
    if (fingers.size < 2) pinch = null;
  };
  canvas.addEventListener('pointerup', release);
  canvas.addEventListener('pointercancel', release);
  canvas.addEventListener('pointerleave', () => {
    hideTip();
    timeline.hover = -1;
    timeline.draw();
  });
  canvas.addEventListener('dblclick', (event) => {
    const at = place(event);
    const { call } = timeline.callAt(at.x, at.y);
    if (call >= 0) timeline.zoomTo(call);
    else timeline.zoom(0.4, timeline.timeAt(Math.max(at.x, timeline.left)));
  });

  function click({ x, y }) {
    const { row, call } = timeline.callAt(x, y);
    if (call >= 0) timeline.app.select(call);
    else if (row?.kind === 'conn') timeline.fold(row.conn);
    else if (x < timeline.left && row) timeline.app.filterRow(row.number, row.name);
    else timeline.app.select(-1);
  }

  function hover({ x, y }, event) {
    const { row, call } = timeline.callAt(x, y);
    canvas.style.cursor = call >= 0 || row?.kind === 'conn' || (row && x < timeline.left) ? 'pointer' : y < RULER ? 'col-resize' : 'grab';
    if (timeline.hover !== call) {
      timeline.hover = call;
      timeline.draw();
    }
    if (call >= 0) showTip(event.clientX, event.clientY, callTip(timeline.store, call));
    else if (row && x < timeline.left) showTip(event.clientX, event.clientY, [el('b', {}, row.name), el('span', {}, countWords(row.count, 'call'))]);
    else hideTip();
  }
}

/** Says in a few lines what a call is. */
function callTip(store, i) {
  const latency = store.latency(i);
  const error = store.errorWords(i);
  return [
    el('b', {}, `${store.methodName(i)} of ${store.objectName(i)}`),
    el('span', {}, `#${store.seq[i]} at ${momentWords(store.at[i])}`),
    el('span', {}, latency < 0 ? 'no answer' : `${timeWords(latency)} (waiting ${timeWords(store.wait[i])}, transfer ${timeWords(store.transfer[i])}), ${sizeWords(store.bytes[i])}`),
    error ? el('span', { class: 'failure' }, `✗ ${error}`) : null,
  ];
}

function showTip(x, y, content) {
  const tip = byId('tip');
  tip.replaceChildren(...content.filter(Boolean));
  tip.hidden = false;
  const { offsetWidth, offsetHeight } = tip;
  tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - offsetWidth - 8))}px`;
  tip.style.top = `${y + 18 + offsetHeight > innerHeight ? Math.max(4, y - offsetHeight - 10) : y + 18}px`;
}

function hideTip() {
  byId('tip').hidden = true;
}

function addTimelineKeys(timeline) {
  const { store } = timeline;
  /** The next call in the same row. */
  const along = (step) => {
    const i = timeline.app.selected;
    if (i < 0) return firstSeen();
    const row = timeline.rows.rowOfCall(i);
    if (!row?.track) return i;
    const { index } = row.track;
    let k = firstFrom(row.track.start, store.at[i]);
    while (k < index.length && index[k] !== i) k += 1;
    return index[Math.max(0, Math.min(index.length - 1, k + step))];
  };
  /** The call of the row above or below that is nearest in time. */
  const across = (step) => {
    const i = timeline.app.selected;
    if (i < 0) return firstSeen();
    const rows = timeline.rows.now();
    let place = rows.indexOf(timeline.rows.rowOfCall(i)) + step;
    while (rows[place] && !rows[place].track?.index.length) place += step;
    const track = rows[place]?.track;
    if (!track) return i;
    const k = firstFrom(track.start, store.at[i]);
    const [before, after] = [track.index[k - 1], track.index[k]];
    if (before === undefined) return after;
    if (after === undefined) return before;
    return store.at[i] - store.at[before] < store.at[after] - store.at[i] ? before : after;
  };
  const firstSeen = () => {
    const row = timeline.rows.now().find((each) => each.track?.index.length && each.y + each.height > timeline.scroller.scrollTop);
    if (!row) return -1;
    const k = firstFrom(row.track.start, timeline.t0);
    return row.track.index[Math.min(k, row.track.index.length - 1)];
  };
  const pick = (i) => {
    if (i >= 0) timeline.app.select(i, { reveal: true, quiet: true });
  };
  const keys = {
    ArrowRight: () => pick(along(1)),
    ArrowLeft: () => pick(along(-1)),
    ArrowDown: () => pick(across(1)),
    ArrowUp: () => pick(across(-1)),
    '+': () => timeline.zoom(0.5),
    '=': () => timeline.zoom(0.5),
    '-': () => timeline.zoom(2),
    0: () => timeline.fit(),
    a: () => timeline.pan(-0.25),
    d: () => timeline.pan(0.25),
    z: () => timeline.zoomTo(timeline.app.selected),
    c: () => timeline.app.selected >= 0 && timeline.fold(store.conn[timeline.app.selected]),
    PageDown: () => timeline.scroller.scrollBy(0, timeline.scroller.clientHeight - 60),
    PageUp: () => timeline.scroller.scrollBy(0, 60 - timeline.scroller.clientHeight),
    Home: () => timeline.look(0, timeline.t1 - timeline.t0),
    End: () => timeline.look(store.duration, store.duration + timeline.t1 - timeline.t0),
    Enter: () => timeline.app.selected >= 0 && timeline.app.focusDetail(),
  };
  timeline.scroller.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });
}
