// What was said on a call: its turns, and the words that are kept.

import { button, el } from '../lib/dom.js';
import { duration, moment } from '../lib/format.js';
import { facts, nothing } from '../lib/table.js';

const WHO = { caller: 'Caller', agent: 'Agent' };

/** The turns, what was heard of each told from what was not; `play` is given the place of one in milliseconds. */
export function turns(all, isOver, play) {
  if (!all.length) return nothing(isOver ? 'nobody spoke, or the call was never answered' : 'nobody has finished a sentence yet');
  return el('ol', { class: 'captions turns', 'aria-label': 'What was said' }, all.map((turn) => {
    const at = duration(turn.started_ms / 1000);
    const isHeard = turn.text.startsWith(turn.heard_text);
    const unheard = isHeard ? turn.text.slice(turn.heard_text.length) : '';
    const words = el('p', { dir: 'auto', class: 'words' }, isHeard ? turn.heard_text : turn.text);
    if (unheard.trim()) words.append(el('del', { class: 'unheard', 'aria-label': `not heard: ${unheard.trim()}` }, unheard));
    if (!turn.text.trim()) words.append(el('span', { class: 'quiet' }, '(no words)'));
    const notes = [at, turn.interrupted ? 'interrupted' : null, unheard.trim() ? 'struck words were not heard' : null,
      turn.confidence === null ? null : `${Math.round(turn.confidence * 100)} % sure`].filter(Boolean).join(', ');
    return el('li', { class: turn.speaker, 'data-turn': turn.number },
      el('div', { class: 'who' }, `${WHO[turn.speaker]}, ${notes} `,
        button('Play', () => play(turn.started_ms), { class: 'small', 'aria-label': `Play from ${at}` })),
      words);
  }));
}

const SOURCES = {
  realtime: 'the turns of the call, as they were recognised while it went on',
  recording: 'the recording, recognised after the call',
  failed: 'none: there are no words',
};

/** The words: each stretch by itself, so that each is written in its own direction. */
function words({ text, segments }) {
  const lines = segments.length
    ? segments.map((segment) => el('p', {}, segment.speaker ? el('span', { class: 'quiet' }, `${WHO[segment.speaker]}: `) : null, el('bdi', {}, segment.text)))
    : el('p', { dir: 'auto' }, text);
  return el('div', { class: 'transcript', tabindex: 0, role: 'region', 'aria-label': 'The words' }, lines);
}

/** The words that are kept, with where they come from. */
export function transcript({ transcript: kept, summary, decisions, work }, isOver) {
  const parts = [];
  if (kept) {
    parts.push(facts([
      ['From', SOURCES[kept.source] ?? kept.source], ['Recogniser', kept.model], ['Decided', moment(kept.decided_at)], ['Why', kept.reason],
    ]));
    parts.push(kept.text ? words(kept) : nothing(kept.reason));
  } else {
    const why = !isOver ? 'the words are settled when the call is over'
      : work ? `the work on them is at “${work.step}”${work.reason ? `: ${work.reason}` : ''}`
        : 'nothing was heard of a recording, nor of the call’s end';
    parts.push(nothing(why));
  }
  if (summary?.summary) parts.push(el('h3', {}, 'Summary'), el('p', { dir: 'auto' }, summary.summary));
  else if (summary?.error) parts.push(el('h3', {}, 'Summary'), nothing(summary.error));
  if (decisions.length) {
    parts.push(el('details', {}, el('summary', {}, 'How that was decided'), el('ul', {}, decisions.map(({ at, decision, reason }) =>
      el('li', {}, `${moment(at)}: ${decision.replaceAll('_', ' ')} – ${reason}`)))));
  }
  return parts;
}
