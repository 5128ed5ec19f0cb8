'use strict';
// A form for the parameters of a method, and the JSON that it stands for. Texts of JSON are sent as they were typed.

class ParamForm {
  constructor(api, method) {
    this.api = api;
    this.method = method;
    this.fields = method.params.map((param) => new ParamField(api, param));
    this.node = el('div', { class: 'params' }, this.fields.length
      ? this.fields.map(({ node }) => node)
      : el('p', { class: 'dim' }, 'It takes no parameters.'));
  }

  /** The parameters as text: by position as far as nothing is left out, by name otherwise. Throws what is wrong, in words. */
  text() {
    const given = this.fields.map((field) => field.text());
    const count = given.findLastIndex((text) => text !== null) + 1;
    if (given.slice(0, count).every((text) => text !== null)) return `[${given.slice(0, count).join(',')}]`;
    return `{${this.fields.map(({ param }, at) => (given[at] === null ? null : `${JSON.stringify(param.name)}:${given[at]}`)).filter(Boolean).join(',')}}`;
  }

  /** Fills the form with parameters that were sent before. */
  fill(text) {
    let params;
    try {
      params = JSON.parse(text);
    } catch {
      return;
    }
    this.fields.forEach((field, at) => field.set(Array.isArray(params) ? params[at] : params[field.param.name]));
  }
}

let fieldNumber = 0;

class ParamField {
  constructor(api, param) {
    this.api = api;
    this.param = param;
    this.type = api.kind(param.type);
    fieldNumber += 1;
    this.id = `param-${fieldNumber}`;
    this.input = this.makeInput();
    this.fault = el('p', { class: 'failure param-fault', id: `${this.id}-fault` });
    this.input.id = this.id;
    this.input.setAttribute('aria-describedby', this.fault.id);
    this.input.addEventListener('input', () => this.check());
    this.node = el('div', { class: 'param' },
      el('label', { for: this.id }, el('b', {}, param.name), param.required ? el('span', { class: 'needed', title: 'must be given' }, ' *') : null,
        el('small', {}, ` ${typeWords(param.type)}${param.default === undefined ? '' : `, ${JSON.stringify(param.default)} by default`}`)),
      this.type.kind === 'json' && !param.required ? linkButton('insert a skeleton', () => this.set(api.skeleton(param.type))) : null,
      this.input,
      this.fault);
  }

  makeInput() {
    const { param, type } = this;
    if (type.kind === 'boolean' || type.kind === 'enum') {
      const options = type.kind === 'boolean' ? [['true', 'true'], ['false', 'false']] : type.options.map((option, at) => [option, type.long[at] && type.long[at] !== option ? `${option}  ${type.long[at]}` : option]);
      const none = param.required ? [] : [['', param.default === undefined ? 'not given' : `not given (${JSON.stringify(param.default)})`]];
      return el('select', {}, [...none, ...options].map(([value, text]) => el('option', { value }, text)));
    }
    if (type.kind === 'json') {
      const text = param.required ? JSON.stringify(this.api.skeleton(param.type), null, 2) : '';
      return el('textarea', { rows: Math.min(16, Math.max(3, text.split('\n').length)), spellcheck: false, class: 'json', value: text, placeholder: param.required ? '' : 'not given' });
    }
    if (type.kind === 'string' && /script|expr/i.test(param.name)) {
      return el('textarea', { rows: 3, spellcheck: false, class: 'json', placeholder: this.hint() });
    }
    return el('input', { type: 'text', inputMode: type.kind === 'string' ? 'text' : 'decimal', autocomplete: 'off', spellcheck: false, placeholder: this.hint() });
  }

  hint() {
    const { param } = this;
    if (param.required) return '';
    return param.default === undefined || param.default === '' ? 'not given' : String(param.default);
  }

  /** The JSON of the field, `null` if it is left out. Throws what is wrong, in words. */
  text() {
    const { param, type } = this;
    const typed = this.input.value;
    if (typed === '' && !param.required) return null;
    if (type.kind === 'string' || type.kind === 'enum') return JSON.stringify(typed);
    const text = typed.trim();
    if (text === '') throw new Error(`${param.name} must be given.`);
    let value;
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw new Error(type.kind === 'json' ? `${param.name} is no JSON: ${error.message}` : `${param.name} must be a ${typeWords(param.type)}.`);
    }
    if (type.kind === 'integer' && !/^-?\d+$/.test(text)) throw new Error(`${param.name} must be a whole number.`);
    if (type.kind === 'number' && typeof value !== 'number') throw new Error(`${param.name} must be a number.`);
    return text;
  }

  check() {
    let words = '';
    try {
      this.text();
    } catch (error) {
      words = error.message;
    }
    this.fault.textContent = words;
    this.input.setAttribute('aria-invalid', String(words !== ''));
    return words === '';
  }

  set(value) {
    if (value === undefined) this.input.value = this.param.required && this.type.kind === 'enum' ? this.input.value : '';
    else if (this.type.kind === 'json') this.input.value = JSON.stringify(value, null, 2);
    else this.input.value = String(value);
    if (this.input.tagName === 'TEXTAREA') this.input.rows = Math.min(16, Math.max(3, this.input.value.split('\n').length));
    this.check();
  }
}
