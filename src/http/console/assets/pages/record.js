// One call: what it sounded like, what was said and heard, how long answers took, how good it was, what the carrier told.

import { drawLatency } from '../record/latency.js';
import { transcript, turns } from '../record/said.js';
import { Sound } from '../record/sound.js';
import { get } from '../lib/api.js';
import { button, el, fill } from '../lib/dom.js';
import { duration, endCause, moment } from '../lib/format.js';
import { facts, failed, nothing, table, verdict } from '../lib/table.js';

export async function show(main, { rest: [sid] }) {
  if (!sid) {
    fill(main, el('h1', {}, 'One call'), nothing('the address names no call'));
    return null;
  }
  const path = `/calls/${encodeURIComponent(sid)}`;
  let record, words, businesses;
  try {
    [record, words, businesses] = await Promise.all([get(path), get(`${path}/transcript`), get('/businesses', { limit: 200 })]);
  } catch (problem) {
    fill(main, el('h1', {}, 'One call'), failed(problem));
    return null;
  }
  const name = businesses.items.find(({ id }) => id === record.call.business)?.name ?? record.call.business;
  const sound = new Sound(path, record);
  const isOver = ['completed', 'busy', 'no-answer', 'canceled', 'failed', 'rejected'].includes(record.call.status);
  fill(main,
    el('h1', {}, 'One call'),
    about(record, name),
    part('How good it was', quality(record, isOver)),
    part('What it sounded like', sound.element),
    part('What was said', turns(record.turns, isOver, (ms) => sound.play(ms))),
    part('How long answers took', drawLatency(record)),
    part('Transcript', transcript(words, isOver)),
    part('What the carrier told', history(record.history)),
    part('What happened', timeline(record.timeline)));
  await sound.load();
  return () => sound.stop();
}

const part = (title, ...content) => el('section', { 'aria-label': title, class: 'part' }, el('h2', {}, title), content);

function about({ call, end }, business) {
  return el('section', { class: 'card', 'aria-label': 'The call' }, facts([
    ['Business', business ?? 'nobody’s'],
    ['From', el('bdi', {}, call.from ?? 'not known')],
    ['To', el('bdi', {}, call.to ?? 'not known')],
    ['Direction', call.direction ?? 'not known'],
    ['Status', call.status],
    ['Began', moment(call.created_at)],
    ['Answered', call.answered_at && moment(call.answered_at)],
    ['Length', duration(end ? end.length_ms / 1000 : call.duration_s)],
    ['Ended', end ? endCause(end.cause) : null],
    ['Answered by', call.answered_by],
    ['Interruptions', end?.barge_ins],
    ['Name', el('code', {}, call.call_sid)],
    ['Came from', call.parent_call_sid && el('a', { href: `#/record/${call.parent_call_sid}` }, el('code', {}, call.parent_call_sid))],
  ]));
}

function quality({ end }, isOver) {
  if (!end) return nothing(isOver ? 'the call never had a media stream, so there is nothing to judge' : 'the call is judged when it is over');
  const { score, verdict: word, findings } = end.quality;
  const figures = facts([
    ['First words after', end.first_audio_ms === null ? 'none were heard' : `${end.first_audio_ms} ms`],
    ['Answers after, on average', end.response_mean_ms === null ? 'nothing was answered' : `${end.response_mean_ms} ms`],
    ['Frames from the caller', `${end.caller_frames}, ${end.dropped_frames} of them dropped`],
    ['Frames missing in answers', `${end.underflow_frames}`],
    ['Agent lost', end.agent_losses ? `${end.agent_losses} times` : null],
  ]);
  const list = findings.map((finding) => el('li', { class: `finding ${finding.severity}` },
    el('h3', {}, `${finding.fault} `, el('span', { class: 'quiet' }, `${finding.severity}, ${finding.points} points`)),
    el('p', {}, finding.cause), el('p', {}, finding.consequence), el('p', {}, el('strong', {}, 'What to do: '), finding.remedy),
    el('p', { class: 'quiet' }, finding.figures)));
  return el('div', {}, el('p', { id: 'verdict' }, verdict(word, score), ' of 100'), figures,
    list.length ? el('ul', { class: 'findings' }, list) : el('p', { class: 'good' }, 'Nothing went wrong.'));
}

function history(events) {
  if (!events.length) return nothing('the carrier has told nothing of this call');
  return table('What the carrier told', ['When', 'Status', 'How we heard of it', 'Length', 'Reason'], events.map((event) => [
    moment(event.occurred_at), event.status, event.source.replaceAll('_', ' '),
    event.duration_s === null ? '–' : duration(event.duration_s), el('span', { dir: 'auto' }, event.reason ?? '–'),
  ]));
}

function timeline(events) {
  if (!events.length) return nothing('the call had no media stream, or it has only begun');
  const rows = () => table('What happened', ['At', 'Who', 'What', 'Figures'], events.map(({ call_ms: at, who, what, ids }) => [
    `${(at / 1000).toFixed(2)} s`, who, what.replaceAll('_', ' '),
    Object.entries(ids ?? {}).map(([name, value]) => `${name} ${value}`).join(', ') || '–',
  ]));
  const place = el('div', {});
  const open = button(`Show all ${events.length} entries`, () => {
    fill(place, rows());
    open.remove();
  });
  return [open, place];
}
