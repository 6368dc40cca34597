// Campaigns: lists of people to be called. Made of a CSV file, watched, paused, resumed, cancelled.

import { get, send } from '../lib/api.js';
import { button, el, fill } from '../lib/dom.js';
import { clearFaults, labelled, showFaults } from '../lib/form.js';
import { moment } from '../lib/format.js';
import { facts, failed, nothing, table } from '../lib/table.js';

/** How often the progress of a campaign that runs is asked for. */
const ASK_EVERY_MS = 3_000;

export async function show(main, { login, rest: [id] }) {
  return id ? showOne(main, login, id) : showAll(main, login);
}

async function showAll(main, login) {
  const place = el('div', { id: 'campaigns' });
  const more = async (cursor) => {
    const { items, next_cursor: next } = await get('/campaigns', { limit: 50, cursor });
    if (!items.length && !cursor) return fill(place, nothing('no campaign was made yet'));
    place.append(table('Campaigns, the newest first', ['Name', 'State', 'Business', 'Made', 'Ended'], items.map((campaign) => [
      el('a', { href: `#/campaigns/${campaign.id}`, dir: 'auto' }, campaign.name), campaign.state,
      el('span', { dir: 'auto' }, campaign.business), moment(campaign.created_at), moment(campaign.ended_at),
    ])));
    const onward = next && button('More', async () => { onward.remove(); await more(next); });
    if (onward) place.append(onward);
  };
  const form = login.role === 'viewer' ? null : newCampaign((await get('/businesses', { limit: 200 })).items);
  fill(main, el('h1', {}, 'Campaigns'),
    form ?? el('p', { id: 'may-not', class: 'quiet' }, 'Your token may look and change nothing.'), place);
  await more();
  return null;
}

function newCampaign(businesses) {
  const controls = {
    business: el('select', { name: 'business' }, businesses.map(({ id, name }) => el('option', { value: id }, name))),
    name: el('input', { name: 'name', dir: 'auto', maxlength: 128, autocomplete: 'off' }),
    csv: el('input', { type: 'file', name: 'csv', accept: '.csv,text/csv,text/plain' }),
    concurrency: el('input', { type: 'number', name: 'concurrency', min: 1, max: 1000 }),
    windows: el('textarea', { name: 'windows', rows: 2 }),
    start: el('select', { name: 'start' }, el('option', { value: 'true' }, 'at once'), el('option', { value: 'false' }, 'when it is resumed')),
  };
  const summary = el('div', { role: 'alert', id: 'problem' });
  const submit = el('button', { class: 'main', id: 'make' }, 'Make the campaign');
  const form = el('form', { class: 'card', 'aria-label': 'New campaign', novalidate: true, onsubmit: async (event) => {
    event.preventDefault();
    clearFaults(form, summary);
    submit.disabled = true;
    try {
      const made = await send('POST', '/campaigns', await asked(controls));
      location.hash = `#/campaigns/${made.id}`;
    } catch (problem) {
      // Rows of the list are named by their line in the file.
      const fields = (problem.fields ?? []).map(({ field, detail }) =>
        (/^(csv|leads)/.test(field) ? { field: 'csv', detail: `${field}: ${detail}.` } : { field, detail }));
      showFaults(form, summary, { message: problem.message, fields });
    } finally {
      submit.disabled = false;
    }
  } },
  el('div', { class: 'fields' },
    labelled('business', 'Business', controls.business),
    labelled('name', 'Name', controls.name),
    labelled('csv', 'List (CSV)', controls.csv, 'A column “number”, as in +14155550100; the others are told to the agent.'),
    labelled('concurrency', 'Calls at once', controls.concurrency, 'Empty: as the service is set.'),
    labelled('windows', 'Hours', controls.windows, 'One a line, as in mon-fri 09:00-17:30. Empty: at every time.'),
    labelled('start', 'Starts', controls.start)),
  summary, el('div', { class: 'row' }, submit));
  return el('details', { id: 'new' }, el('summary', {}, 'Make a new campaign'), form);
}

/** What the form asks for. */
async function asked({ business, name, csv, concurrency, windows, start }) {
  const lines = windows.value.split('\n').map((line) => line.trim()).filter(Boolean);
  return {
    business: business.value, name: name.value, csv: csv.files[0] ? await csv.files[0].text() : undefined, windows: lines,
    concurrency: concurrency.value === '' ? undefined : Number(concurrency.value), start: start.value === 'true',
  };
}

async function showOne(main, login, id) {
  const page = new CampaignPage(`/campaigns/${encodeURIComponent(id)}`, login.role !== 'viewer');
  try {
    await page.read();
  } catch (problem) {
    fill(main, el('h1', {}, 'Campaign'), failed(problem));
    return null;
  }
  page.show(main);
  await page.readLeads();
  const timer = setInterval(() => page.tick(), ASK_EVERY_MS);
  return () => clearInterval(timer);
}

const STATES = ['queued', 'dialing', 'calling', 'unknown', 'completed', 'failed', 'cancelled'];

class CampaignPage {
  constructor(path, mayChange) {
    Object.assign(this, { path, mayChange });
    this.title = el('h1', { dir: 'auto' });
    this.state = el('p', { role: 'status', id: 'state' });
    this.bar = el('progress', { 'aria-label': 'Leads that are settled', max: 1, value: 0 });
    this.counts = el('div', {});
    this.about = el('div', {});
    this.problem = el('div', { role: 'alert', id: 'problem' });
    this.pause = button('Pause', () => this.steer('pause'), { id: 'pause' });
    this.resume = button('Resume', () => this.steer('resume'), { id: 'resume', class: 'main' });
    this.cancel = button('Cancel it', () => this.steer('cancel'), { id: 'cancel', class: 'bad' });
    this.which = el('select', { name: 'state', onchange: () => this.readLeads() }, el('option', { value: '' }, 'all'), STATES.map((state) => el('option', { value: state }, state)));
    this.leads = el('div', { id: 'leads' });
  }

  async read() {
    this.draw(await get(this.path));
  }

  show(main) {
    fill(main, el('p', {}, el('a', { href: '#/campaigns' }, 'All campaigns')), this.title,
      el('section', { class: 'card', 'aria-label': 'Progress' }, this.state, this.bar, this.counts, this.problem,
        this.mayChange ? el('div', { class: 'row' }, this.pause, this.resume, this.cancel)
          : el('p', { id: 'may-not', class: 'quiet' }, 'Your token may look and change nothing.')),
      el('section', { class: 'card', 'aria-label': 'What was asked for' }, this.about),
      el('section', { class: 'part', 'aria-label': 'The list' }, el('h2', {}, 'The list'),
        el('div', { class: 'row' }, labelled('state', 'Leads that are', this.which), button('Read again', () => this.readLeads())), this.leads));
  }

  draw(campaign) {
    this.campaign = campaign;
    const { state, progress } = campaign;
    const settled = progress.completed + progress.failed + progress.cancelled;
    fill(this.title, campaign.name);
    fill(this.state, `The campaign is ${state}: ${settled} of ${progress.total} settled.`);
    this.bar.max = Math.max(1, progress.total);
    this.bar.value = settled;
    fill(this.counts, facts(STATES.map((name) => [name, `${progress[name]}`])));
    const isOver = state === 'completed' || state === 'cancelled';
    this.pause.hidden = state !== 'running';
    this.resume.hidden = state !== 'paused' && state !== 'pending';
    this.cancel.hidden = isOver;
    fill(this.about, facts([
      ['Business', campaign.business], ['Shows', el('bdi', {}, campaign.from)], ['Calls at once', `${campaign.concurrency}`],
      ['Between dialling', `${campaign.spacing_ms / 1000} s`], ['Hours', campaign.windows.join('; ') || 'at every time'],
      ['By the clock of', campaign.time_zone], ['A machine answers', campaign.on_machine.replaceAll('_', ' ')], ['Message', campaign.message],
      ['Made', moment(campaign.created_at)], ['Began', moment(campaign.started_at)], ['Ended', moment(campaign.ended_at)],
    ]));
  }

  async tick() {
    if (document.hidden || this.campaign.state !== 'running') return;
    try {
      await this.read();
      fill(this.problem);
    } catch (problem) {
      fill(this.problem, failed(problem));
    }
  }

  async steer(how) {
    if (how === 'cancel' && !confirm('Call nobody else any more? This can’t be taken back.')) return;
    fill(this.problem);
    try {
      this.draw(await send('POST', `${this.path}/${how}`));
      await this.readLeads();
    } catch (problem) {
      fill(this.problem, failed(problem));
    }
  }

  async readLeads(cursor) {
    try {
      const { items, next_cursor: next } = await get(`${this.path}/leads`, { limit: 50, state: this.which.value, cursor });
      if (!cursor) fill(this.leads);
      if (!items.length) return this.leads.append(nothing(this.which.value ? `no lead is ${this.which.value}` : 'the list is empty'));
      this.leads.append(table('Leads', ['Place', 'Number', 'State', 'Told to the agent', 'Outcome', 'Call'], items.map((lead) => [
        `${lead.position}`, el('bdi', {}, lead.number), lead.state,
        el('span', { dir: 'auto' }, Object.entries(lead.variables).map(([name, text]) => `${name}: ${text}`).join(', ') || 'nothing'),
        lead.outcome ?? lead.error ?? '–',
        lead.call_sid ? el('a', { href: `#/record/${lead.call_sid}` }, 'Open') : '–',
      ])));
      const onward = next && button('More', async () => { onward.remove(); await this.readLeads(next); });
      if (onward) this.leads.append(onward);
    } catch (problem) {
      fill(this.leads, failed(problem));
    }
    return null;
  }
}
