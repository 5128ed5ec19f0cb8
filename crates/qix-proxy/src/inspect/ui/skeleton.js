'use strict';
// Values to begin with, made of the types of the engine's interface.

const SKELETON_DEPTH = 4;

class Interface {
  constructor({ interface: { version, methods, types }, effects }) {
    this.version = version;
    this.methods = methods;
    this.types = new Map(types.map((type) => [type.name, type]));
    this.effects = effects;
    this.byName = new Map(methods.map((method) => [`${method.class}.${method.name}`, method]));
  }

  method(className, name) {
    return this.byName.get(`${className}.${name}`);
  }

  effect(method) {
    return this.effects[`${method.class}.${method.name}`] ?? 4;
  }

  /** What stands behind the name of a type: `{kind: 'boolean' | 'integer' | 'number' | 'string' | 'enum' | 'json', …}`. */
  kind(node) {
    if (node === 'boolean') return { kind: 'boolean' };
    if (['integer', 'int8', 'int32', 'int64', 'byte'].includes(node)) return { kind: 'integer' };
    if (['number', 'double'].includes(node)) return { kind: 'number' };
    if (['string', 'base64'].includes(node)) return { kind: 'string' };
    const type = this.types.get(node);
    if (type?.enum) return { kind: 'enum', options: type.enum, long: type.long };
    if (type?.alias) return this.kind(type.alias);
    return { kind: 'json' };
  }

  /** A value of a type, with defaults; what holds itself, and what is deep, is left empty. */
  skeleton(node, depth = 0, within = []) {
    if (node.startsWith('[')) {
      const inner = node.slice(1, -1);
      const isObject = this.types.get(inner)?.object;
      return depth < 2 && !within.includes(inner) && isObject ? [this.skeleton(inner, depth + 1, within)] : [];
    }
    const { kind, options } = this.kind(node);
    if (kind === 'boolean') return false;
    if (kind === 'integer' || kind === 'number') return 0;
    if (kind === 'string') return '';
    if (kind === 'enum') return options[0] ?? '';
    const type = this.types.get(node);
    if (type?.alias) return this.skeleton(type.alias, depth, within);
    if (!type?.object || depth >= SKELETON_DEPTH || within.includes(node)) return {};
    const value = {};
    for (const member of type.object) {
      const value_ = member.default ?? this.skeleton(member.type, depth + 1, [...within, node]);
      // Deep down only what has a value of its own, or there would be hundreds of lines.
      if (depth > 0 && member.default === undefined && isEmpty(value_)) continue;
      value[member.name] = value_;
    }
    return value;
  }
}

function isEmpty(value) {
  if (value === '' || value === 0 || value === false || value === null) return true;
  return typeof value === 'object' && Object.values(value).every(isEmpty);
}

/** Writes a type for people: `[NxPage]` is a list of NxPage. */
function typeWords(node) {
  if (node.startsWith('[')) return `list of ${typeWords(node.slice(1, -1))}`;
  return { string: 'text', integer: 'whole number', int32: 'whole number', boolean: 'true or false' }[node] ?? node;
}
