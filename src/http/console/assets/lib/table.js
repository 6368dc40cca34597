// Tables that a narrow screen shows as cards, and the words that stand where there is nothing.

import { el } from './dom.js';

/** A table: `columns` are its heads, `rows` lists of as many cells, each a text or elements. */
export function table(name, columns, rows) {
  const head = el('tr', { role: 'row' }, columns.map((column) => el('th', { role: 'columnheader', scope: 'col' }, column)));
  const cell = (content, index) => el('td', { role: 'cell', 'data-name': columns[index] }, content);
  return el('table', { class: 'cards', role: 'table', 'aria-label': name },
    el('thead', { role: 'rowgroup' }, head),
    el('tbody', { role: 'rowgroup' }, rows.map((row) => el('tr', { role: 'row' }, row.map(cell)))));
}

/** Why there is nothing. */
export const nothing = (why) => el('p', { class: 'nothing' }, `Nothing here: ${why}.`);

/** Names and what is so called; what is `null` is left out. */
export function facts(pairs) {
  return el('dl', { class: 'facts' }, pairs.filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', { dir: 'auto' }, value))));
}

/** A verdict, so that it is told by more than its colour. */
export const verdict = (word, score) =>
  word ? el('span', { class: `verdict ${word.toLowerCase()}` }, `${word} ${score}`) : el('span', { class: 'quiet' }, 'not judged');

/** What went wrong, where the page's content would be. */
export const failed = (problem) => el('p', { role: 'alert', class: 'bad' }, `${problem.message}.`);
