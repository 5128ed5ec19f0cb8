'use strict';
// Starts a live page once the server has said what it shows.

document.addEventListener('DOMContentLoaded', async () => {
  const source = await LiveSource.open();
  if (source.meta === null) {
    byId('main').replaceChildren(el('p', { class: 'empty failure' }, 'qix-proxy does not answer: it has ended, or the address in this window is of an earlier start.'));
    return;
  }
  if (source.explorer) MORE_VIEWS.push(explorerView(source));
  const app = boot(source);
  liveBar(app, source);
});
