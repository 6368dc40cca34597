// What was said, as it is said: the agent's words come in pieces before they are heard, then each turn as it was.

import { el, fill } from '../lib/dom.js';

export class Captions {
  /** `caller` is what the caller is called: by default it is who reads this. */
  constructor(caller = 'You') {
    this.caller = caller;
    this.list = el('ol', { class: 'captions', role: 'log', tabindex: 0, 'aria-live': 'polite', 'aria-label': 'What was said' });
    // What the agent is about to say, by its response, in the order in which it began.
    this.open = new Map();
  }

  take({ speaker, response, text, heard_text: heard, interrupted }) {
    if (response !== undefined) return this.piece(response, text);
    const line = speaker === 'agent' ? this.settle(text) : null;
    const item = line ?? this.add(speaker);
    item.classList.remove('open');
    const unheard = heard !== undefined && text.startsWith(heard) ? text.slice(heard.length) : '';
    const words = el('span', { dir: 'auto' }, heard ?? text);
    if (unheard.trim()) words.append(el('span', { class: 'unheard', title: 'not heard' }, unheard));
    if (!text.trim()) words.append(el('span', { class: 'quiet' }, '(no words)'));
    const who = speaker === 'agent' ? 'Agent' : this.caller;
    fill(item, el('span', { class: 'who' }, interrupted ? `${who}, interrupted` : who), words);
    item.dataset.interrupted = interrupted;
    this.list.scrollTop = this.list.scrollHeight; // not the page: it would move under whoever is about to click
  }

  piece(response, text) {
    if (!this.open.has(response)) {
      const item = this.add('agent');
      item.classList.add('open');
      const words = el('span', { dir: 'auto' });
      fill(item, el('span', { class: 'who' }, 'Agent'), words);
      this.open.set(response, { item, words });
    }
    this.open.get(response).words.append(text);
  }

  /** The line of a turn that is over. What began before it and is still open was never heard. */
  settle(text) {
    const found = [...this.open].find(([, { words }]) => words.textContent.trim() === text.trim());
    if (!found) return null;
    for (const [response, { item }] of this.open) {
      this.open.delete(response);
      if (response === found[0]) break;
      item.remove();
    }
    return found[1].item;
  }

  add(speaker) {
    const item = el('li', { class: speaker });
    this.list.append(item);
    return item;
  }

  /** The call is over: what is still open was not heard. */
  close() {
    for (const { item } of this.open.values()) item.remove();
    this.open.clear();
  }

  clear() {
    this.open.clear();
    fill(this.list);
  }
}
