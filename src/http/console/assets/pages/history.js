// The list of calls: searched, page by page, exported.
//
// What is sought is kept here, in memory, and never in the address: a number is somebody's. The browser's history holds
// which search it was, so that going back shows it again; after a reload it is gone.

import { get, send } from '../lib/api.js';
import { button, el, fill } from '../lib/dom.js';
import { clearFaults, labelled, showFaults } from '../lib/form.js';
import { duration, moment } from '../lib/format.js';
import { failed, nothing, table, verdict } from '../lib/table.js';

const STATUSES = ['initiated', 'queued', 'ringing', 'in-progress', 'completed', 'busy', 'no-answer', 'canceled', 'failed', 'rejected'];
const VERDICTS = ['EXCELLENT', 'GOOD', 'FAIR', 'POOR', 'CRITICAL'];
const PER_PAGE = 25;
/** How often an empty page is passed over while calls of a verdict are sought. */
const PASSED_OVER = 20;

const kept = new Map();
let last = 0;
const EVERYTHING = { filter: {}, cursor: null, earlier: [] };

export async function show(main, { login }) {
  const businesses = login.business ? null : (await get('/businesses', { limit: 200 })).items;
  const page = new HistoryPage(businesses);
  page.show(main);
  const back = () => location.hash.startsWith('#/history') && page.open(current());
  addEventListener('popstate', back);
  await page.open(current());
  return () => removeEventListener('popstate', back);
}

const current = () => kept.get(history.state?.search) ?? EVERYTHING;

class HistoryPage {
  constructor(businesses) {
    this.names = new Map((businesses ?? []).map(({ id, name }) => [id, name]));
    const choice = (name, options) => el('select', { name }, el('option', { value: '' }, 'any'), options);
    const words = (all) => all.map((word) => el('option', { value: word }, word));
    this.controls = {
      business: businesses && choice('business', businesses.map(({ id, name }) => el('option', { value: id }, name))),
      number: el('input', { type: 'tel', name: 'number', placeholder: '+14155550100', autocomplete: 'off', inputmode: 'tel' }),
      status: choice('status', words(STATUSES)),
      verdict: choice('verdict', words(VERDICTS)),
      direction: choice('direction', words(['inbound', 'outbound'])),
      since: el('input', { type: 'datetime-local', name: 'since', step: 1 }),
      until: el('input', { type: 'datetime-local', name: 'until', step: 1 }),
    };
    const labels = { business: 'Business', number: 'Number', status: 'Status', verdict: 'Verdict', direction: 'Direction',
      since: 'Since', until: 'Before' };
    this.problem = el('div', { role: 'alert', id: 'search-problem' });
    this.export = button('Export as CSV', () => this.save(), { id: 'export' });
    this.form = el('form', { class: 'card search', 'aria-label': 'Search', novalidate: true,
      onsubmit: (event) => { event.preventDefault(); this.search(); } },
    el('div', { class: 'fields' }, Object.entries(this.controls).filter(([, control]) => control)
      .map(([name, control]) => labelled(name, labels[name], control))),
    this.problem,
    el('div', { class: 'row' }, el('button', { class: 'main' }, 'Search'),
      button('Everything', () => this.go(EVERYTHING), { id: 'everything' }), this.export));
    this.list = el('section', { 'aria-label': 'Calls', id: 'calls', 'aria-live': 'polite' });
    this.newer = button('Newer', () => this.go(this.before), { id: 'newer' });
    this.older = button('Older', () => this.go(this.behind), { id: 'older' });
    this.pages = el('nav', { class: 'row', 'aria-label': 'Pages of the list' }, this.newer, this.older);
  }

  show(main) {
    fill(main, el('h1', {}, 'History'), this.form, this.list, this.pages);
  }

  /** What the form says; times are the reader's own. */
  filter() {
    const value = (name) => this.controls[name]?.value.trim() || undefined;
    const time = (name) => value(name) && new Date(value(name)).toISOString();
    const filter = { since: time('since'), until: time('until') };
    for (const name of ['business', 'number', 'status', 'verdict', 'direction']) filter[name] = value(name);
    return filter;
  }

  search() {
    return this.go({ filter: this.filter(), typed: this.typed(), cursor: null, earlier: [] });
  }

  typed() {
    return Object.entries(this.controls).map(([name, control]) => [name, control?.value ?? '']);
  }

  /** Shows a place of the list as a step of the browser's history. */
  async go(search) {
    kept.set(last += 1, search);
    history.pushState({ search: last }, '', '#/history');
    await this.open(search);
    this.list.scrollIntoView({ block: 'nearest' });
  }

  async open(search) {
    const turn = (this.turn = {});
    clearFaults(this.form, this.problem);
    for (const control of Object.values(this.controls)) if (control) control.value = '';
    for (const [name, value] of search.typed ?? []) if (this.controls[name]) this.controls[name].value = value;
    this.pages.hidden = true;
    this.list.setAttribute('aria-busy', 'true');
    try {
      const page = await this.read(search, turn);
      if (turn !== this.turn) return;
      this.draw(search, page);
    } catch (problem) {
      if (turn !== this.turn) return;
      showFaults(this.form, this.problem, { fields: problem.fields, message: problem.message });
      fill(this.problem, el('p', { class: 'bad' }, problem.fields?.length ? 'Not searched. Look at what is marked.' : `Not searched: ${problem.message}.`));
      fill(this.list, nothing('the search was not made'));
    }
    this.list.removeAttribute('aria-busy');
  }

  async read({ filter, cursor }, turn) {
    let page;
    for (let passed = 0; passed < PASSED_OVER; passed += 1) {
      page = await send('POST', '/calls/search', { ...filter, limit: PER_PAGE, cursor: cursor ?? undefined });
      cursor = page.next_cursor;
      if (page.items.length || !cursor || turn !== this.turn) break;
    }
    return page;
  }

  draw(search, { items, next_cursor: next }) {
    const isFiltered = Object.values(search.filter).some(Boolean);
    this.before = search.earlier.length ? { ...search, cursor: search.earlier.at(-1), earlier: search.earlier.slice(0, -1) } : null;
    this.behind = next ? { ...search, cursor: next, earlier: [...search.earlier, search.cursor] } : null;
    this.newer.disabled = !this.before;
    this.older.disabled = !this.behind;
    this.pages.hidden = !this.before && !this.behind;
    if (!items.length) {
      const why = next ? 'none of the calls looked through so far fits; “Older” looks on'
        : isFiltered ? 'no call fits what is sought' : 'there was no call yet';
      fill(this.list, nothing(why));
      return;
    }
    const columns = ['Began', 'Business', 'From', 'To', 'Status', 'Length', 'Verdict'];
    fill(this.list, table('Calls, the newest first', columns, items.map((call) => [
      el('a', { href: `#/record/${call.call_sid}` }, moment(call.created_at)),
      el('span', { dir: 'auto' }, this.names.get(call.business) ?? call.business ?? 'nobody’s'),
      el('bdi', {}, call.from ?? 'not known'),
      el('bdi', {}, call.to ?? 'not known'),
      `${call.status}${call.direction ? `, ${call.direction}` : ''}`,
      duration(call.duration_s),
      verdict(call.verdict, call.score),
    ])));
  }

  async save() {
    clearFaults(this.form, this.problem);
    this.export.disabled = true;
    try {
      const file = await send('POST', '/calls/export', this.filter());
      const url = URL.createObjectURL(file);
      el('a', { href: url, download: 'calls.csv' }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (problem) {
      fill(this.problem, failed(problem));
    } finally {
      this.export.disabled = false;
    }
  }
}
