'use strict';
// The source of a report: data that is in the page, compressed, and unpacked when it is needed.

async function unpack(text) {
  const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return JSON.parse(await new Response(stream).text());
}

class EmbeddedSource {
  constructor() {
    this.kind = 'report';
    this.meta = JSON.parse(byId('meta').textContent);
    /** The latest blocks of details, as promises. */
    this.blocks = new Map();
  }

  async start(onBatch) {
    for (let number = 0; number < this.meta.batches; number += 1) {
      const element = byId(`batch-${number}`);
      onBatch(await unpack(element.textContent));
      element.remove();
    }
  }

  async detail(seq) {
    const { firsts } = this.meta;
    const i = window.app.store.indexOf(seq);
    // The last block that begins at the call or before.
    const at = firstFrom(firsts, i + 1) - 1;
    const block = at < 0 ? null : await this.block(at);
    const detail = block?.[i - firsts[at]];
    return detail ?? { error: 'What was said in this call is not in the report, which would have been too large; --bodies SIZE embeds more.' };
  }

  block(number) {
    const known = this.blocks.get(number);
    if (known) return known;
    const element = byId(`block-${number}`);
    const block = element ? unpack(element.textContent) : Promise.resolve(null);
    this.blocks.set(number, block);
    if (this.blocks.size > 12) this.blocks.delete(this.blocks.keys().next().value);
    return block;
  }
}

document.addEventListener('DOMContentLoaded', () => boot(new EmbeddedSource()));
