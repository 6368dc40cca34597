// The recording of a call: played from any point, and drawn with the turns and the interruptions laid over it.

import { get } from '../lib/api.js';
import { el, fill } from '../lib/dom.js';
import { duration } from '../lib/format.js';
import { nothing } from '../lib/table.js';

const SVG = 'http://www.w3.org/2000/svg';
const SLICES = 600;
const LANE = 60;
const NAMES = ['Caller', 'Agent'];

export class Sound {
  constructor(path, { turns, timeline }) {
    this.path = path;
    this.turns = turns;
    this.bargeIns = timeline.filter(({ what }) => what === 'barge_in');
    this.audio = el('audio', { controls: true, preload: 'metadata', 'aria-label': 'The recording', class: 'wide' });
    this.drawing = el('div', { class: 'waveform' });
    this.element = el('div', {}, el('p', { role: 'status' }, 'Loading …'));
    this.audio.addEventListener('timeupdate', () => this.move());
  }

  async load() {
    let outline = null;
    let drawn = null;
    try {
      outline = await get(`${this.path}/recording/peaks`, { slices: SLICES });
    } catch (problem) {
      // Another kind of sound than WAV can be played and not drawn.
      if (!/can't be drawn/.test(problem.message)) {
        fill(this.element, nothing(problem.message));
        return;
      }
      drawn = nothing(problem.message);
    }
    this.audio.src = `/api/v1${this.path}/recording`;
    this.audio.addEventListener('error', () => fill(this.element, nothing('the recording can’t be played by this browser, or is gone')));
    if (outline) this.draw(outline);
    const isCarriers = outline?.made_by === 'carrier';
    fill(this.element, drawn ?? this.drawing, this.audio,
      el('p', {}, el('a', { href: this.audio.src, download: '', id: 'download' }, 'Download the recording')),
      isCarriers ? el('p', { class: 'quiet' }, 'The carrier made this recording: it may begin somewhat later than the call, and the turns with it.') : null);
  }

  /** Plays from this place. */
  play(ms) {
    if (!this.audio.src) return;
    this.audio.currentTime = ms / 1000;
    this.audio.play().catch(() => {}); // it was stopped again before it began
    this.move();
  }

  stop() {
    this.audio.pause();
    this.audio.removeAttribute('src');
    this.audio.load();
  }

  draw({ channels, length_ms: length }) {
    this.length = length;
    const height = LANE * channels.length;
    const svg = shape('svg', { viewBox: `0 0 ${SLICES} ${height}`, preserveAspectRatio: 'none', role: 'img',
      'aria-label': `The sound of ${duration(length / 1000)}, with ${this.turns.length} turns and ${this.bargeIns.length} interruptions` });
    const x = (ms) => (SLICES * ms) / Math.max(1, length);
    for (const turn of this.turns) {
      const lane = channels.length > 1 && turn.speaker === 'agent' ? 1 : 0;
      const box = shape('rect', { x: x(turn.started_ms), y: lane * LANE + 1, width: Math.max(1, x(turn.ended_ms - turn.started_ms)),
        height: LANE - 2, class: `turn ${turn.speaker}` });
      box.append(shape('title', {}, `${NAMES[turn.speaker === 'agent' ? 1 : 0]}, ${duration(turn.started_ms / 1000)}: ${turn.text}`));
      svg.append(box);
    }
    channels.forEach((peaks, lane) => svg.append(shape('path', { d: outlineOf(peaks, lane), class: `wave lane${lane}` })));
    for (const { call_ms: at } of this.bargeIns) {
      const line = shape('line', { x1: x(at), x2: x(at), y1: 0, y2: height, class: 'barge-in' });
      line.append(shape('title', {}, `Interrupted at ${duration(at / 1000)}`));
      svg.append(line);
    }
    this.head = shape('line', { x1: 0, x2: 0, y1: 0, y2: height, class: 'head' });
    svg.append(this.head);
    svg.addEventListener('click', (event) => {
      const { left, width } = svg.getBoundingClientRect();
      this.play(((event.clientX - left) / width) * length);
    });
    const names = channels.length > 1 ? NAMES : ['Both'];
    fill(this.drawing, el('div', { class: 'lanes', 'aria-hidden': 'true' }, names.map((name) => el('span', {}, name))), svg,
      el('p', { class: 'quiet legend' }, el('i', { class: 'step turn-mark' }), ' turns ', el('i', { class: 'step barge-mark' }), ' interruptions. ',
        'A click plays from there, and so does “Play” at each turn.'));
  }

  move() {
    if (!this.head) return;
    const at = (SLICES * this.audio.currentTime * 1000) / Math.max(1, this.length);
    this.head.setAttribute('x1', at);
    this.head.setAttribute('x2', at);
  }
}

/** The outline of a channel, as a closed line around its middle. */
function outlineOf(peaks, lane) {
  const middle = lane * LANE + LANE / 2;
  const step = SLICES / Math.max(1, peaks.length);
  // Speech is seldom louder than a third of full scale: the root lets it be seen.
  const high = (peak) => Math.sqrt(peak / 1000) * (LANE / 2 - 2);
  const upper = peaks.map((peak, n) => `${(n * step).toFixed(1)},${(middle - high(peak)).toFixed(1)}`);
  const lower = peaks.map((peak, n) => `${(n * step).toFixed(1)},${(middle + high(peak)).toFixed(1)}`).reverse();
  return `M${upper.join('L')}L${lower.join('L')}Z`;
}

function shape(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text) element.textContent = text;
  return element;
}
