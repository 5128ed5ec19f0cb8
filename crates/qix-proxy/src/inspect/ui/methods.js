'use strict';
// The list of a class's methods: type to narrow it down, arrows to move, Enter to take one.

const EFFECT_MARKS = ['reads', 'session', 'writes', 'writes', 'writes'];

class MethodList {
  constructor(api, onpick) {
    this.api = api;
    this.onpick = onpick;
    this.className = 'Global';
    this.picked = null;
    this.search = el('input', {
      type: 'search', id: 'method-search', placeholder: 'Find a method', 'aria-label': 'Find a method', autocomplete: 'off', spellcheck: false,
      oninput: () => this.show(),
      onkeydown: (event) => this.key(event),
    });
    this.list = el('div', { class: 'method-list', role: 'listbox', 'aria-label': 'Methods', tabIndex: 0, onkeydown: (event) => this.key(event) });
    this.node = el('div', { class: 'methods' }, this.search, this.list);
  }

  turn(className) {
    if (this.className !== className) this.search.value = '';
    this.className = className;
    this.show();
  }

  found() {
    const wanted = this.search.value.trim().toLowerCase();
    const methods = this.api.methods.filter((method) => method.class === this.className && method.name.toLowerCase().includes(wanted));
    // What begins with the words comes first.
    return methods.sort((a, b) => b.name.toLowerCase().startsWith(wanted) - a.name.toLowerCase().startsWith(wanted) || (a.name < b.name ? -1 : 1));
  }

  show() {
    const methods = this.found();
    this.list.replaceChildren(...methods.map((method) => {
      const effect = this.api.effect(method);
      const mark = el('small', { class: `effect effect-${effect}` }, EFFECT_MARKS[effect]);
      return el('div', {
        class: `method${method.deprecated ? ' old' : ''}`, role: 'option', 'aria-selected': String(method === this.picked),
        title: method.deprecated ? 'deprecated' : '', onclick: () => this.pick(method),
      }, el('span', {}, method.name), mark);
    }));
    if (!methods.length) this.list.append(el('p', { class: 'dim' }, `${this.className} has no such method.`));
  }

  pick(method) {
    this.picked = method;
    this.show();
    this.list.querySelector('[aria-selected=true]')?.scrollIntoView({ block: 'nearest' });
    this.onpick(method);
  }

  key(event) {
    const methods = this.found();
    const at = methods.indexOf(this.picked);
    const to = { ArrowDown: at + 1, ArrowUp: at < 0 ? 0 : at - 1, Enter: Math.max(at, 0) }[event.key];
    if (to === undefined || !methods[to]) return;
    event.preventDefault();
    this.pick(methods[to]);
  }
}
