'use strict';
// The source of a live page: batches and details over a WebSocket, and what the socket is doing.

class LiveSource {
  /** Connects; resolves with a source once the server has said what it shows. */
  static open() {
    const url = new URL('live', location.href);
    url.protocol = 'ws:';
    url.hash = '';
    const source = new LiveSource(new WebSocket(url));
    return source.told;
  }

  constructor(socket) {
    this.kind = 'inspect';
    this.socket = socket;
    this.meta = null;
    this.explorer = null;
    this.phase = 'connecting';
    this.words = '';
    this.isPaused = false;
    /** Who waits for an answer, by the number of the question. */
    this.waiting = new Map();
    this.questions = 0;
    this.early = [];
    this.onBatch = null;
    this.onPhase = () => {};
    this.told = new Promise((resolve) => { this.tell = resolve; });
    this.caughtUp = new Promise((resolve) => { this.catchUp = resolve; });
    socket.onmessage = ({ data }) => this.take(JSON.parse(data));
    socket.onclose = () => this.lost();
  }

  take(message) {
    const kinds = {
      meta: () => {
        this.meta = message.meta;
        this.explorer = message.explorer;
        this.tell(this);
      },
      batches: () => {
        for (const batch of message.batches) this.onBatch ? this.onBatch(batch) : this.early.push(batch);
      },
      phase: () => this.turn(message.phase, message.words ?? ''),
      detail: () => this.answer(message.id, message.detail),
      answer: () => this.answer(message.id, message),
    };
    kinds[message.is]?.();
  }

  turn(phase, words) {
    this.phase = phase;
    this.words = words;
    this.onPhase();
    if (phase !== 'reading') this.catchUp();
  }

  lost() {
    this.turn('lost', '');
    this.tell(this);
    for (const { reject } of this.waiting.values()) reject(new Error('The connection to qix-proxy is lost.'));
    this.waiting.clear();
  }

  start(onBatch) {
    this.onBatch = onBatch;
    for (const batch of this.early.splice(0)) onBatch(batch);
    return this.caughtUp;
  }

  detail(seq) {
    return this.question({ do: 'detail', seq });
  }

  pause(isPaused) {
    this.isPaused = isPaused;
    this.socket.send(JSON.stringify({ do: isPaused ? 'pause' : 'resume' }));
    this.onPhase();
  }

  /** Asks something, and resolves with the answer. */
  question(message) {
    if (this.socket.readyState !== WebSocket.OPEN) return Promise.reject(new Error('The connection to qix-proxy is lost.'));
    this.questions += 1;
    const id = this.questions;
    this.socket.send(JSON.stringify({ ...message, id }));
    return new Promise((resolve, reject) => { this.waiting.set(id, { resolve, reject }); });
  }

  answer(id, answer) {
    this.waiting.get(id)?.resolve(answer);
    this.waiting.delete(id);
  }
}

const PHASES = {
  connecting: ['connecting', 'The page connects to qix-proxy'],
  reading: ['reading', 'The recording is being read'],
  following: ['live', 'Calls appear as they are recorded'],
  ended: ['ended', 'The recording was read to its end'],
  failed: ['stopped', 'Nothing more can be read'],
  lost: ['not connected', 'The connection to qix-proxy is lost'],
};

/** Shows in the page's head what is being done, with a switch to pause. */
function liveBar(app, source) {
  const bar = byId('live');
  const words = el('span', { class: 'live-words', role: 'status' });
  const pause = el('button', { type: 'button', class: 'tool wide', id: 'pause', title: 'Stop taking in calls for a while (p)', onclick: () => source.pause(!source.isPaused) });
  const reload = el('button', { type: 'button', class: 'tool wide', onclick: () => location.reload() }, 'Reload');
  bar.hidden = false;
  bar.replaceChildren(el('i', { class: 'live-dot', 'aria-hidden': 'true' }), words, pause, reload);
  const show = () => {
    const { phase, isPaused } = source;
    const [word, title] = PHASES[phase];
    const flows = phase === 'following' || phase === 'reading';
    bar.dataset.phase = isPaused && flows ? 'paused' : phase;
    words.textContent = isPaused && flows ? 'paused' : word;
    bar.title = source.words || title;
    pause.hidden = !flows;
    pause.textContent = isPaused ? '▶ Resume' : '❚❚ Pause';
    pause.setAttribute('aria-pressed', String(isPaused));
    reload.hidden = phase !== 'lost';
    if (phase === 'failed') app.meta({ ...source.meta, notes: [`Nothing more is shown: ${source.words}`] });
    if (app.updates && app.view?.id === 'findings') app.view.update();
  };
  source.onPhase = show;
  document.addEventListener('keydown', (event) => {
    const isTyping = event.target.closest('input, select, textarea');
    if (event.key !== 'p' || isTyping || event.ctrlKey || event.metaKey || event.altKey || pause.hidden) return;
    source.pause(!source.isPaused);
  });
  show();
}
