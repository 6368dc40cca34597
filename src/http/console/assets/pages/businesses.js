// Businesses: who answers which number, with which words; what the agent is really told; and what it was told before.

import { get, send } from '../lib/api.js';
import { button, el, fill } from '../lib/dom.js';
import { clearFaults, labelled, showFaults } from '../lib/form.js';
import { moment } from '../lib/format.js';
import { failed, nothing, table } from '../lib/table.js';

export async function show(main, { login, rest: [id] }) {
  return id ? showOne(main, login, id) : showAll(main, login);
}

async function showAll(main, login) {
  const place = el('div', {});
  const more = async (cursor) => {
    const { items, next_cursor: next } = await get('/businesses', { limit: 50, cursor });
    if (!items.length && !cursor) return fill(place, nothing('there is no business yet'));
    place.append(table('Businesses', ['Name', 'Numbers', 'Language', 'Changed'], items.map((business) => [
      el('a', { href: `#/businesses/${encodeURIComponent(business.id)}`, dir: 'auto' }, business.name),
      el('bdi', {}, business.numbers.map((number) => (number === '*' ? 'every other number' : number)).join(', ') || 'none'),
      business.language, moment(business.updated_at),
    ])));
    const onward = next && button('More', async () => { onward.remove(); await more(next); });
    if (onward) place.append(onward);
  };
  fill(main, el('h1', {}, 'Businesses'), login.role === 'admin' ? newBusiness() : null, place);
  await more();
  return null;
}

function newBusiness() {
  const name = el('input', { name: 'name', maxlength: 64, dir: 'auto', autocomplete: 'off' });
  const summary = el('div', { role: 'alert' });
  const form = el('form', { class: 'card', 'aria-label': 'New business', novalidate: true, onsubmit: async (event) => {
    event.preventDefault();
    clearFaults(form, summary);
    try {
      const made = await send('POST', '/businesses', { name: name.value.trim() });
      location.hash = `#/businesses/${made.id}`;
    } catch (problem) {
      showFaults(form, summary, problem);
    }
  } }, labelled('name', 'New business', name, 'Its name, as callers hear it. Numbers and words come next.'), summary,
  el('div', { class: 'row' }, el('button', {}, 'Make it')));
  return el('details', {}, el('summary', {}, 'Make a new business'), form);
}

async function showOne(main, login, id) {
  const path = `/businesses/${encodeURIComponent(id)}`;
  let business;
  try {
    business = await get(path);
  } catch (problem) {
    fill(main, el('h1', {}, 'Business'), failed(problem));
    return null;
  }
  const page = new BusinessPage(path, business, login.role);
  page.show(main);
  await page.readVersions();
  return null;
}

/** What a field of the interface is in the form: how it is shown, and how it is read back. */
const TEXT = { shown: (value) => value ?? '', read: (text) => (text.trim() === '' ? null : text.trim()) };
const LINES = { shown: (value) => value.join('\n'), read: (text) => text.split(/[\n,]/).map((line) => line.trim()).filter(Boolean) };
/** What is no number goes to the service as it is, which says so; as a number it would be none, and none is no limit. */
const number = (text) => (text.trim() === '' ? null : Number.isFinite(Number(text)) ? Number(text) : text.trim());
const NUMBER = { shown: (value) => value ?? '', read: number };
const VARIABLES = {
  shown: (value) => Object.entries(value).map(([name, text]) => `${name} = ${text}`).join('\n'),
  read: (text) => Object.fromEntries(text.split('\n').filter((line) => line.trim()).map((line) => {
    const [name, ...rest] = line.split('=');
    return [name.trim(), rest.join('=').trim()];
  })),
};

/** Every field: its name, its label, its kind, its control, whether only an administrator changes it, and a word of help. */
const FIELDS = [
  ['name', 'Name', TEXT, 'input'],
  ['greeting', 'Greeting', TEXT, 'area', false, 'The first words of a call, spoken as they are. Empty: the agent finds its own.'],
  ['prompts.inbound', 'Prompt for calls that come in', TEXT, 'tall', false, '{{business_name}}, {{business_number}}, {{transfer_number}} and the variables below are filled in.'],
  ['prompts.outbound', 'Prompt for calls that are placed', TEXT, 'tall'],
  ['prompts.whatsapp', 'Prompt for messages', TEXT, 'tall'],
  ['variables', 'Variables', VARIABLES, 'area', false, 'One a line, as in: goods = bread'],
  ['language', 'Language', TEXT, 'input', false, 'As in en-US or he-IL.'],
  ['voice', 'Voice', TEXT, 'input', false, 'In the vendor’s words. Empty: the usual one.'],
  ['time_zone', 'Time zone', TEXT, 'input', false, 'As in Europe/Berlin.'],
  ['transfer_to', 'Callers are handed over to', TEXT, 'input', false, 'A number, as in +14155550142. Empty: to nobody.'],
  ['webhook_url', 'Events are sent to', TEXT, 'input', false, 'An https address. Empty: nowhere.'],
  ['recording', 'Who records', TEXT, ['', 'off', 'carrier', 'own', 'both']],
  ['numbers', 'Numbers', LINES, 'area', true, 'One a line; * takes every number that nobody else has.'],
  ['agent', 'Voice agent', TEXT, 'input', true, 'Empty: as the service is set.'],
  ['limits.calls', 'Calls at once', NUMBER, 'input', true, 'Empty: no limit of its own.'],
  ['limits.outbound', 'Placed calls at once', NUMBER, 'input', true],
];

const of = (document, name) => name.split('.').reduce((value, part) => value?.[part], document);

class BusinessPage {
  constructor(path, business, role) {
    Object.assign(this, { path, business });
    this.mayChange = role !== 'viewer';
    this.isAdmin = role === 'admin';
    this.summary = el('div', { role: 'alert', id: 'problem' });
    this.said = el('p', { role: 'status', id: 'said', class: 'good' });
    this.title = el('h1', { dir: 'auto' }, business.name);
    this.controls = new Map(FIELDS.map(([name, , kind, control, isAdmins]) => {
      const made = this.control(name, control, isAdmins);
      made.value = kind.shown(of(business, name));
      return [name, made];
    }));
    const words = FIELDS.map(([name, label, , control, , help]) => {
      const field = labelled(name, label, this.controls.get(name), help);
      if (control === 'tall' || control === 'area') field.classList.add('wide');
      return field;
    });
    this.form = el('form', { class: 'card', 'aria-label': 'The business', novalidate: true, onsubmit: (event) => {
      event.preventDefault();
      this.save();
    } }, el('div', { class: 'fields' }, words), this.summary, this.said,
    this.mayChange ? el('div', { class: 'row' }, el('button', { class: 'main', id: 'save' }, 'Save')) : el('p', { id: 'may-not', class: 'quiet' }, 'Your token may look and change nothing.'));
    this.channel = el('select', { name: 'channel' }, [['inbound', 'calls that come in'], ['outbound', 'calls that are placed'], ['whatsapp', 'messages']]
      .map(([value, text]) => el('option', { value }, text)));
    this.shown = el('div', { 'aria-live': 'polite', id: 'preview' });
    this.versions = el('div', { id: 'versions' });
  }

  control(name, kind, isAdmins) {
    const locked = !this.mayChange || (isAdmins && !this.isAdmin);
    if (Array.isArray(kind)) {
      return el('select', { name, disabled: locked }, kind.map((value) => el('option', { value }, value || 'as the service is set')));
    }
    const given = { name, dir: 'auto', readonly: locked, autocomplete: 'off' };
    return kind === 'input' ? el('input', given) : el('textarea', { ...given, rows: kind === 'tall' ? 7 : 3 });
  }

  show(main) {
    fill(main,
      el('p', {}, el('a', { href: '#/businesses' }, 'All businesses')), this.title, this.form,
      el('section', { class: 'card', 'aria-label': 'What the agent is really told' },
        el('h2', {}, 'What the agent is really told'),
        el('p', { class: 'quiet' }, 'Made as it is made for a call, of what stands above: also of what is not saved yet.'),
        el('div', { class: 'row' }, labelled('channel', 'For', this.channel), button('Show', () => this.preview(), { id: 'show-preview' })), this.shown),
      el('section', { class: 'part', 'aria-label': 'What it was told before' }, el('h2', {}, 'What it was told before'), this.versions));
  }

  /** What differs from what was read, in the form of an edit. */
  changes() {
    const changes = {};
    for (const [name, , kind] of FIELDS) {
      const control = this.controls.get(name);
      // A text area ends its lines in its own way.
      if (control.value === String(kind.shown(of(this.business, name))).replace(/\r\n?/g, '\n')) continue;
      const [outer, inner] = name.split('.');
      if (inner) (changes[outer] ??= {})[inner] = kind.read(control.value);
      else changes[outer] = kind.read(control.value);
    }
    return changes;
  }

  async save() {
    clearFaults(this.form, this.summary);
    fill(this.said);
    const changes = this.changes();
    if (!Object.keys(changes).length) return fill(this.said, 'Nothing was changed.');
    try {
      this.business = await send('PATCH', this.path, { ...changes, version: this.business.version });
    } catch (problem) {
      showFaults(this.form, this.summary, problem);
      return null;
    }
    for (const [name, , kind] of FIELDS) this.controls.get(name).value = kind.shown(of(this.business, name));
    fill(this.title, this.business.name);
    fill(this.said, `Saved as version ${this.business.version}. The next call is answered so.`);
    return this.readVersions();
  }

  async preview() {
    clearFaults(this.form, this.summary);
    try {
      const made = await send('POST', `${this.path}/prompt/preview`, { channel: this.channel.value, changes: this.changes() });
      const notes = [`${made.characters} characters`, made.is_minimal ? 'the business has no words of its own for this' : null,
        made.is_cut ? 'its own words were too long and end early' : null].filter(Boolean).join('; ');
      fill(this.shown, el('p', { class: 'quiet' }, `${notes}.`), el('pre', { class: 'prompt', dir: 'auto', tabindex: 0, 'aria-label': 'The prompt' }, made.prompt),
        made.speech_recognition ? el('details', {}, el('summary', {}, 'What the recogniser of speech is told'), el('pre', { class: 'prompt', tabindex: 0 }, made.speech_recognition)) : null);
    } catch (problem) {
      fill(this.shown, nothing('there is no such prompt as things stand'));
      showFaults(this.form, this.summary, problem);
    }
  }

  async readVersions(cursor) {
    try {
      const { items, next_cursor: next } = await get(`${this.path}/prompt/versions`, { limit: 10, cursor });
      const list = el('ol', { class: 'versions' }, items.map((version) => this.version(version)));
      if (!cursor) fill(this.versions);
      this.versions.append(items.length ? list : nothing('there is no version yet'));
      const onward = next && button('Older versions', async () => { onward.remove(); await this.readVersions(next); });
      if (onward) this.versions.append(onward);
    } catch (problem) {
      fill(this.versions, failed(problem));
    }
  }

  version({ version, changed_at: at, changed_by: by, changed, prompts, variables }) {
    const texts = Object.entries(prompts).filter(([, text]) => text !== null);
    return el('li', {}, el('p', {}, el('strong', {}, `Version ${version}`), `, ${moment(at)}, by ${by}: ${changed.join(', ') || 'nothing differs'}`),
      el('details', {}, el('summary', {}, 'Its words'),
        texts.length ? texts.map(([name, text]) => [el('h3', {}, `prompts.${name}`), el('pre', { class: 'prompt', dir: 'auto', tabindex: 0 }, text)]).flat()
          : nothing('the business had no words of its own'),
        Object.keys(variables).length ? [el('h3', {}, 'variables'), el('pre', { class: 'prompt', dir: 'auto' }, VARIABLES.shown(variables))] : null,
        this.mayChange && texts.length ? button('Put these words into the form', () => this.restore(prompts, variables), { class: 'small' }) : null));
  }

  restore(prompts, variables) {
    for (const [name, text] of Object.entries(prompts)) this.controls.get(`prompts.${name}`).value = TEXT.shown(text);
    this.controls.get('variables').value = VARIABLES.shown(variables);
    fill(this.said, 'The words stand in the form, and are not saved yet.');
    this.controls.get('prompts.inbound').focus();
  }
}
