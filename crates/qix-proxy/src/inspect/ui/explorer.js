'use strict';
// The API explorer: connect, pick an object and a method, fill the form, send, see the answer.

const SNIPPETS = [['rust', 'Rust', asRust], ['enigma', 'enigma.js', asEnigma], ['call', 'qix-proxy call', asCall]];
const MOST_HISTORY = 200;

class Explorer {
  constructor(app, source, api) {
    this.app = app;
    this.source = source;
    this.api = api;
    this.targets = new Map();
    this.target = null;
    this.method = null;
    this.form = null;
    this.history = [];
    this.isConnected = false;
    this.methods = new MethodList(api, (method) => this.pick(method));
    this.node = this.make();
    this.methods.turn('Global');
    this.state();
  }

  make() {
    const { explorer } = this.source;
    this.path = el('input', { type: 'text', id: 'explorer-path', value: explorer.path, 'aria-label': 'Path', spellcheck: false, autocomplete: 'off' });
    this.connect = el('button', { type: 'submit', class: 'tool wide', id: 'explorer-connect' }, 'Connect');
    this.said = el('p', { class: 'ex-said', role: 'status' });
    this.writes = el('input', { type: 'checkbox', id: 'explorer-writes', disabled: !explorer.writes, onchange: () => this.state() });
    const why = explorer.writes ? 'Calls that change what outlives the session or what others see' : 'Start qix-proxy with --allow-writes to make this possible';
    this.objects = el('div', { class: 'ex-objects', role: 'radiogroup', 'aria-label': 'Object' });
    this.work = el('div', { class: 'ex-work' });
    this.answer = el('section', { class: 'ex-answer', 'aria-label': 'Answer', 'aria-live': 'polite' });
    this.past = el('ol', { class: 'ex-history' });
    return el('div', { class: 'explorer' },
      el('div', { class: 'ex-side' },
        el('form', { class: 'ex-connect', onsubmit: (event) => {
          event.preventDefault();
          this.open();
        } }, el('h2', {}, 'Engine'), el('code', { class: 'ex-url' }, explorer.upstream), el('div', { class: 'ex-path' }, this.path, this.connect), this.said),
        el('label', { class: 'check ex-writes', title: why }, this.writes, ' Allow writes', explorer.writes ? null : el('small', { class: 'dim' }, ' (off at the server)')),
        el('h2', {}, 'Object'), this.objects,
        el('h2', {}, 'Method'), this.methods.node),
      el('div', { class: 'ex-main' },
        this.work, this.answer,
        el('section', { class: 'ex-past' }, el('h2', {}, 'History'), this.past)));
  }

  async open() {
    this.connect.disabled = true;
    this.said.className = 'ex-said dim';
    this.said.textContent = 'connecting…';
    let told;
    try {
      told = await this.source.question({ do: 'connect', path: this.path.value.trim() });
    } catch (error) {
      told = { error: { words: error.message } };
    }
    this.connect.disabled = false;
    this.targets.clear();
    this.target = null;
    this.isConnected = !told.error;
    this.said.className = `ex-said ${told.error ? 'failure' : 'dim'}`;
    this.said.textContent = told.error ? told.error.words : 'connected, in a session of its own';
    this.connect.textContent = this.isConnected ? 'Reconnect' : 'Connect';
    if (this.isConnected) this.aim(this.add(told.opened, null));
    else this.state();
  }

  /** Keeps an object that the server has told of. */
  add(told, by) {
    const known = this.targets.get(told.target);
    const target = known ?? { ...told, by };
    this.targets.set(told.target, target);
    return target;
  }

  aim(target) {
    this.target = target;
    this.methods.turn(target.class);
    if (this.method && this.method.class !== target.class) {
      this.method = null;
      this.form = null;
      this.methods.picked = null;
      this.methods.show();
    }
    this.state();
  }

  pick(method) {
    this.method = method;
    this.form = new ParamForm(this.api, method);
    this.state();
  }

  get lasting() {
    return this.method && this.api.effect(this.method) >= 2;
  }

  /** Shows objects and the form anew. */
  state() {
    this.objects.replaceChildren(...[...this.targets.values()].map((target) => el('label', { class: 'ex-object' },
      el('input', { type: 'radio', name: 'object', value: String(target.target), checked: target === this.target, onchange: () => this.aim(target) }),
      el('span', {}, target.name), el('small', { class: 'dim' }, target.class === target.name ? '' : ` ${target.class}`))));
    if (!this.targets.size) this.objects.append(el('p', { class: 'dim' }, 'Connect first: objects that calls return appear here.'));
    if (!this.method) {
      this.work.replaceChildren(el('p', { class: 'empty' }, this.isConnected ? 'Pick a method.' : 'Connect to the engine, then pick a method.'));
      return;
    }
    const { method } = this;
    const effect = this.api.effect(method);
    const isBarred = this.lasting && !this.writes.checked;
    this.fault = el('p', { class: 'failure ex-fault', role: 'alert' });
    const send = el('button', { type: 'submit', class: 'ex-send', id: 'explorer-send', disabled: this.target?.class !== method.class || isBarred }, 'Send');
    const returns = method.outs.map(({ name, type }) => `${name}: ${typeWords(type)}`).join(', ');
    this.work.replaceChildren(el('form', { class: 'ex-form', id: 'explorer-form', onsubmit: (event) => {
      event.preventDefault();
      this.send();
    }, onkeydown: (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        this.send();
      }
    } },
    el('h2', {}, `${method.class}.${method.name} `, el('small', { class: `effect effect-${effect}` }, EFFECTS[effect]), method.deprecated ? el('small', { class: 'odd' }, ' deprecated') : null, method.experimental ? el('small', { class: 'dim' }, ' experimental') : null),
    el('p', { class: 'dim ex-returns' }, returns ? `returns ${returns}` : 'returns nothing'),
    this.form.node,
    isBarred ? el('p', { class: 'why odd' }, this.source.explorer.writes ? 'This call writes: allow writes on the left to send it.' : 'This call writes, and writes are off: qix-proxy was started without --allow-writes.') : null,
    this.fault,
    el('div', { class: 'ex-acts' }, send, el('span', { class: 'dim' }, 'Ctrl+Enter'),
      el('span', { class: 'ex-copies' }, 'copy as ', SNIPPETS.map(([id, title, write]) => el('button', { type: 'button', class: 'tool wide', id: `copy-${id}`, onclick: () => this.copy(title, write) }, title))))));
  }

  /** The call as the form has it now; `null` if something is wrong, which is shown. */
  call() {
    this.fault.textContent = '';
    try {
      return { target: this.target ?? { class: 'Global', by: null }, method: this.method, text: this.form.text() };
    } catch (error) {
      this.form.fields.forEach((field) => field.check());
      this.fault.textContent = error.message;
      return null;
    }
  }

  copy(title, write) {
    const call = this.call();
    if (!call) return;
    const { upstream, path } = this.source.explorer;
    copyText(write(call, { url: joined(upstream, this.path.value.trim() || path), lasting: this.lasting }));
    announce(`copied as ${title}`);
    this.fault.replaceChildren(el('span', { class: 'dim' }, `Copied as ${title}.`));
  }

  send() {
    const call = this.call();
    if (call && this.target?.class === this.method.class && !(this.lasting && !this.writes.checked)) this.ask(call);
  }

  async ask(call) {
    const { target, method, text } = call;
    this.answer.replaceChildren(el('p', { class: 'dim' }, `${method.name}: waiting for the answer…`));
    let told;
    try {
      told = await this.source.question({ do: 'ask', target: target.target, method: method.name, params: text, writes: this.writes.checked });
    } catch (error) {
      told = { error: { words: error.message } };
    }
    const out = method.outs.find(({ type }) => type === 'ObjectInterface')?.name ?? 'qReturn';
    const opened = told.opened ? this.add(told.opened, { ...call, out, lasting: this.api.effect(method) >= 2 }) : null;
    this.history.unshift({ ...call, told: { error: told.error, took: told.took }, at: new Date() });
    this.history.length = Math.min(this.history.length, MOST_HISTORY);
    this.showHistory();
    this.show(call, told, opened);
    if (opened) this.aim(opened);
  }

  show({ target, method }, told, opened) {
    const frame = parsed(told.answer);
    const error = told.error?.words;
    const facts = [told.took === undefined || told.took === null ? null : timeWords(told.took), told.answer ? sizeWords(told.answer.length) : null].filter(Boolean);
    const body = el('div', { class: 'said' });
    const views = [['tree', 'Tree', () => [unfolded(jsonTree(frame?.result ?? frame, 'answer'))]], ['raw', 'Raw', () => [el('pre', { tabIndex: 0, 'aria-label': 'raw answer' }, told.answer)]]];
    const tabs = el('div', { class: 'subtabs', role: 'tablist', 'aria-label': 'Answer as' });
    const turn = (id) => {
      for (const tab of tabs.children) tab.setAttribute('aria-selected', String(tab.dataset.view === id));
      body.replaceChildren(...views.find(([other]) => other === id)[2]());
    };
    for (const [id, title] of views) tabs.append(el('button', { type: 'button', role: 'tab', 'data-view': id, onclick: () => turn(id) }, title));
    this.answer.replaceChildren(
      el('h2', {}, `${method.name} of ${target.name} `, el('small', { class: 'ex-facts' }, facts.join(', '))),
      error ? el('p', { class: 'failure why' }, '✗ ', error) : '',
      opened ? el('p', { class: 'why' }, `Opened ${opened.name}, which is the object now.`) : '',
      told.answer ? linkButton('copy', () => copyText(told.answer)) : '',
      told.answer ? tabs : '', body);
    if (told.answer) turn('tree');
    announce(error ? `${method.name} failed: ${error}` : `${method.name} answered after ${facts[0]}`);
  }

  showHistory() {
    this.past.replaceChildren(...this.history.map((entry) => {
      const { target, method, text, told, at } = entry;
      const isOpen = this.targets.get(target.target) === target;
      return el('li', { class: told.error ? 'failed' : '' },
        el('time', { class: 'dim' }, at.toLocaleTimeString()),
        linkButton(`${method.name}${text.length > 60 ? `${text.slice(0, 60)}…` : text}`, () => this.recall(entry), 'Put it into the form'),
        el('span', { class: 'dim' }, ` ${target.name} `),
        el('span', { class: told.error ? 'failure' : 'dim' }, told.error ? `✗ ${told.error.words}` : timeWords(told.took)),
        el('button', { type: 'button', class: 'tool', title: isOpen ? 'Send it again' : 'Its object is no longer open', 'aria-label': `Send ${method.name} again`, disabled: !isOpen, onclick: () => {
          this.recall(entry);
          if (!(this.lasting && !this.writes.checked)) this.ask({ target, method, text });
        } }, '↻'));
    }));
  }

  recall({ target, method, text }) {
    if (this.targets.get(target.target) === target) this.aim(target);
    this.methods.turn(method.class);
    this.methods.pick(method);
    this.form.fill(text);
  }
}

/** Shows what is in the only out member at once. */
function unfolded(tree) {
  const members = tree.querySelectorAll(':scope > li > ul > li');
  if (members.length === 1) members[0].fold?.(true);
  return tree;
}

function parsed(text) {
  try {
    return treeParse(text);
  } catch {
    return null;
  }
}

/** The URL that a path leads to. */
function joined(upstream, path) {
  return `${upstream.replace(/\/+$/, '')}${path.startsWith('/') || !path ? '' : '/'}${path}`;
}

/** The view of the explorer; it loads the interface when somebody opens it. */
function explorerView(source) {
  return (app) => {
    const node = el('div', { class: 'ex-frame' }, el('p', { class: 'empty' }, 'reading the interface…'));
    let loading = null;
    const load = async () => {
      const answer = await fetch('interface.json');
      const explorer = new Explorer(app, source, new Interface(await answer.json()));
      node.replaceChildren(explorer.node);
      app.explorer = explorer;
    };
    return {
      id: 'explorer',
      title: 'API explorer',
      node,
      update: () => {
        loading ??= load().catch((error) => {
          loading = null;
          node.replaceChildren(el('p', { class: 'empty failure' }, `The interface cannot be read: ${error.message}`));
        });
      },
    };
  };
}
