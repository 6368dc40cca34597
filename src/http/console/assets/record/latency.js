// How long each answer took, and with what: from the end of what the caller said to the first sound that was heard.

import { el } from '../lib/dom.js';
import { nothing, table } from '../lib/table.js';

const SVG = 'http://www.w3.org/2000/svg';
/** What is shown of a step, in the order in which they happen. */
const STEPS = [['asked', 'Until asked'], ['first', 'Until the first sound'], ['heard', 'Until heard']];
/** The playout's own lead and the clock's steps: a turn that begins this long before its first sound still is its. */
const NEAR_MS = 100;

export function drawLatency({ turns, timeline }) {
  const answers = answersOf(turns, timeline);
  if (!answers.length) return nothing(turns.length ? 'nothing that the caller said was answered' : 'there are no turns');
  const longest = Math.max(...answers.map((answer) => answer.total));
  const rows = answers.map((answer) => [
    `Turn ${answer.number}`,
    ...STEPS.map(([step]) => (answer[step] === null ? 'not told' : `${answer[step]} ms`)),
    el('span', {}, bar(answer, longest), ` ${answer.total} ms`),
  ]);
  return [table('How long answers took', ['Answer', ...STEPS.map(([, name]) => name), 'Together'], rows),
    el('p', { class: 'quiet legend' }, STEPS.map(([step, name]) => el('span', {}, el('i', { class: `step ${step}` }), ` ${name} `)),
      '– counted from the end of what the caller said.')];
}

/** The agent's turns that follow one of the caller's, each with its steps in milliseconds; `null` where the timeline is silent. */
export function answersOf(turns, timeline) {
  const answers = [];
  let caller = null;
  for (const turn of [...turns].sort((a, b) => a.started_ms - b.started_ms)) {
    if (turn.speaker === 'caller') {
      caller = turn;
      continue;
    }
    if (caller && turn.started_ms >= caller.ended_ms) answers.push(steps(turn, caller.ended_ms, timeline));
    caller = null;
  }
  return answers;
}

function steps(turn, from, timeline) {
  const sounds = timeline.filter(({ what, call_ms: at }) => what === 'first_audio' && at >= from && at <= turn.started_ms + NEAR_MS);
  const first = sounds.at(-1);
  const asked = first && timeline.findLast(({ what, ids, call_ms: at }) =>
    what === 'asked' && ids.response === first.ids.response && at >= from && at <= first.call_ms);
  const total = turn.started_ms - from;
  if (!first) return { number: turn.number, total, asked: null, first: null, heard: null };
  const heard = Math.max(0, turn.started_ms - first.call_ms);
  const begun = asked ? asked.call_ms : null;
  return { number: turn.number, total, asked: begun === null ? null : begun - from, first: first.call_ms - (begun ?? from), heard };
}

function bar(answer, longest) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 100 10');
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('class', 'waterfall');
  svg.setAttribute('aria-hidden', 'true');
  let at = 0;
  const known = STEPS.filter(([step]) => answer[step] !== null);
  const draw = (name, length) => {
    const rect = document.createElementNS(SVG, 'rect');
    const width = longest ? (100 * length) / longest : 0;
    for (const [key, value] of Object.entries({ x: at, y: 0, width, height: 10, class: `step ${name}` })) rect.setAttribute(key, value);
    at += width;
    svg.append(rect);
  };
  if (known.length) known.forEach(([step]) => draw(step, answer[step]));
  else draw('first', answer.total);
  return svg;
}
