// A call from this browser.

import { Captions } from '../call/captions.js';
import { Line } from '../call/line.js';
import { openSound } from '../call/sound.js';
import { get } from '../lib/api.js';
import { button, el, field, fill } from '../lib/dom.js';
import { cause, duration } from '../lib/format.js';

const KEYS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '0', '#'];
// What is quieter than this is silence, for a meter.
const QUIETEST = -60;

export async function show(main, { login }) {
  if (login.role === 'viewer') {
    fill(main, el('h1', {}, 'Call'), el('p', { id: 'may-not' }, 'Your token may look and change nothing, so it can’t place calls.'));
    return null;
  }
  const businesses = (await get('/businesses', { limit: 100 })).items;
  const page = new CallPage(businesses);
  page.show(main);
  return () => page.leave();
}

class CallPage {
  constructor(businesses) {
    this.captions = new Captions();
    this.business = el('select', { id: 'business' }, businesses.map(({ id, name }) => el('option', { value: id }, name)));
    this.call = button('Call', () => this.begin(), { class: 'main', id: 'call', disabled: businesses.length === 0 });
    this.hangUp = button('Hang up', () => this.line?.hangUp(), { class: 'bad', id: 'hangup', disabled: true });
    this.mute = button('Mute', () => this.toggleMute(), { id: 'mute', 'aria-pressed': 'false', disabled: true });
    this.status = el('p', { role: 'status', id: 'status' }, businesses.length ? 'Nobody is called.' : 'There is no business to call.');
    this.time = el('span', { id: 'time', class: 'quiet' });
    this.sid = el('p', { class: 'quiet', id: 'sid' });
    [this.caller, this.agent] = ['caller', 'agent'].map((id) =>
      el('meter', { id: `level-${id}`, min: QUIETEST, max: 0, low: -45, value: QUIETEST }));
    this.pad = el('div', { class: 'pad', role: 'group', 'aria-label': 'Keys' },
      KEYS.map((key) => button(key, () => this.line?.press(key), { disabled: true, 'data-key': key })));
    this.onkey = (event) => this.key(event);
  }

  show(main) {
    fill(main,
      el('h1', {}, 'Call'),
      el('section', { class: 'card', 'aria-label': 'The call' },
        el('div', { class: 'row' }, field('Business', this.business), this.call, this.hangUp, this.mute),
        this.status, this.time, this.sid,
        el('div', { class: 'meters' },
          el('label', { for: 'level-caller' }, 'You'), this.caller,
          el('label', { for: 'level-agent' }, 'Agent'), this.agent)),
      el('section', { 'aria-label': 'What was said' }, el('h2', {}, 'What was said'), this.captions.list),
      el('details', { class: 'card', open: true }, el('summary', {}, 'Keys'), this.pad));
    addEventListener('keydown', this.onkey);
  }

  leave() {
    removeEventListener('keydown', this.onkey);
    this.line?.hangUp();
    this.over({});
  }

  /** The keys of the keyboard are those of the telephone, unless something is being chosen or typed. */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, select, textarea')) return;
    if (KEYS.includes(event.key)) this.line?.press(event.key);
  }

  async begin() {
    this.say('Asking for the microphone …');
    this.call.disabled = this.business.disabled = true;
    this.captions.clear();
    fill(this.sid);
    try {
      this.sound = await openSound({ onframe: (frame) => this.isLive && this.line?.sound(frame), onmark: (mark) => this.line?.heard(mark) });
    } catch (error) {
      this.over({ refused: error.name === 'NotAllowedError' ? 'the microphone was not allowed' : error.message });
      return;
    }
    if (!this.status.isConnected) return this.over({}); // the page was left meanwhile
    this.say('Calling …');
    this.line = new Line(this.business.value);
    const on = (type, does) => this.line.addEventListener(type, ({ detail }) => does(detail));
    on('ready', (call) => this.ready(call));
    on('sound', (sound) => this.sound?.play(sound));
    on('mark', ({ name }) => this.sound?.mark(name));
    on('clear', () => this.sound?.clear());
    on('caption', (caption) => this.captions.take(caption));
    on('levels', (levels) => this.levels(levels));
    on('over', (how) => this.over(how));
    this.hangUp.disabled = false;
  }

  ready({ call_sid: sid }) {
    this.isLive = true;
    this.began = performance.now();
    this.say('Connected.');
    fill(this.sid, 'Call ', el('code', {}, sid));
    this.mute.disabled = false;
    this.enableKeys(true);
    this.timer = setInterval(() => this.tick(), 1000);
    this.tick();
  }

  tick() {
    this.time.textContent = duration((performance.now() - this.began) / 1000);
  }

  levels({ caller_dbfs: caller, agent_dbfs: agent }) {
    this.caller.value = caller;
    this.agent.value = agent;
  }

  toggleMute() {
    const muted = this.mute.getAttribute('aria-pressed') !== 'true';
    this.mute.setAttribute('aria-pressed', muted);
    this.sound?.mute(muted);
    this.line?.mute(muted);
  }

  over({ cause: why, refused, lost }) {
    if (refused) this.say(`There is no call: ${refused}.`, 'bad');
    else if (lost && this.isLive) this.say('The call is over: the connection was lost.', 'bad');
    else if (lost) this.say('There is no call: the service can’t be reached, or refused it.', 'bad');
    else if (why) this.say(`The call is over: ${cause(why)}.`);
    clearInterval(this.timer);
    this.sound?.close();
    this.sound = this.line = null;
    this.isLive = false;
    this.captions.close();
    this.hangUp.disabled = this.mute.disabled = true;
    this.mute.setAttribute('aria-pressed', 'false');
    this.call.disabled = this.business.disabled = false;
    this.enableKeys(false);
    this.levels({ caller_dbfs: QUIETEST, agent_dbfs: QUIETEST });
  }

  enableKeys(enabled) {
    for (const key of this.pad.children) key.disabled = !enabled;
  }

  say(text, tone = '') {
    this.status.className = tone;
    this.status.textContent = text;
  }
}
