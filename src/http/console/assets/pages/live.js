// Live calls: who talks with whom, and what is said, as it happens. Nothing is asked for again and again: the service tells.

import { send, session, whoami } from '../lib/api.js';
import { button, el, fill } from '../lib/dom.js';
import { duration, endCause } from '../lib/format.js';
import { Captions } from '../call/captions.js';

/** How long a call that is over is still shown. */
const SHOWN_AFTER_END_MS = 15_000;
/** When watching is tried again that was refused. */
const AGAIN_AFTER_MS = 5_000;
/** What the timeline's entries are called here; others are not shown. */
const EVENTS = {
  barge_in: 'interruptions', silent: 'silences', owes_speech: 'late answers', tool_called: 'tools', lost: 'agents lost',
};

export async function show(main, { login }) {
  const page = new LivePage(login.role !== 'viewer');
  page.show(main);
  page.watch();
  const timer = setInterval(() => page.tick(), 1_000);
  return () => {
    clearInterval(timer);
    page.leave();
  };
}

class LivePage {
  constructor(mayHangUp) {
    this.mayHangUp = mayHangUp;
    this.calls = new Map();
    this.state = el('p', { role: 'status', id: 'state' }, 'Connecting …');
    this.list = el('div', { class: 'live', id: 'live' });
  }

  show(main) {
    fill(main, el('h1', {}, 'Live calls'), this.state, this.list);
  }

  watch() {
    const source = new EventSource('/console/live');
    this.source = source;
    const on = (name, take) => source.addEventListener(name, ({ data }) => {
      take(JSON.parse(data));
      this.count();
    });
    on('snapshot', ({ calls }) => this.snapshot(calls));
    on('began', (call) => this.card(call).began(call));
    on('speech', (said) => this.card(said).speech(said));
    on('piece', (said) => this.card(said).captions.take(said));
    on('turn', (said) => this.card(said).turn(said.turn));
    on('event', (event) => this.card(event).event(event));
    on('ended', (end) => this.card(end).ended(end));
    source.onerror = () => {
      fill(this.state, 'The connection broke; it is being made again …');
      if (source.readyState === EventSource.CLOSED) this.again = setTimeout(() => this.watchAgain(), AGAIN_AFTER_MS);
    };
  }

  /** Watching was refused: nobody is logged in any more, or too many watch. */
  async watchAgain() {
    try {
      if ((await whoami()) === null) return session.dispatchEvent(new Event('loggedout'));
    } catch {
      // It is told below, and tried again.
    }
    if (!this.isLeft) this.watch();
    return null;
  }

  snapshot(calls) {
    const alive = new Set(calls.map(({ call_sid: sid }) => sid));
    for (const [sid, card] of this.calls) if (!alive.has(sid) && !card.isOver) this.drop(sid);
    for (const call of calls) this.card(call).began(call);
  }

  card({ call_sid: sid, business }) {
    if (!this.calls.has(sid)) {
      const card = new Card(sid, business, this.mayHangUp);
      this.calls.set(sid, card);
      this.list.prepend(card.element);
    }
    return this.calls.get(sid);
  }

  drop(sid) {
    this.calls.get(sid).element.remove();
    this.calls.delete(sid);
  }

  tick() {
    const now = Date.now();
    for (const [sid, card] of this.calls) {
      card.tick(now);
      if (card.isOver && now - card.endedAt > SHOWN_AFTER_END_MS) this.drop(sid);
    }
    this.count();
  }

  count() {
    if (this.source.readyState !== EventSource.OPEN) return;
    const alive = [...this.calls.values()].filter(({ isOver }) => !isOver).length;
    const said = alive === 0 ? 'No call is alive on this node. The next one appears here by itself.'
      : alive === 1 ? 'One call is alive on this node.' : `${alive} calls are alive on this node.`;
    if (this.state.textContent !== said) fill(this.state, said);
  }

  leave() {
    this.isLeft = true;
    clearTimeout(this.again);
    this.source.close();
  }
}

class Card {
  constructor(sid, business, mayHangUp) {
    Object.assign(this, { sid, business });
    this.isOver = false;
    this.counted = new Map();
    this.speaking = { caller: false, agent: false };
    this.captions = new Captions('Caller');
    this.speaks = el('span', { class: 'speaks' }, 'quiet');
    this.time = el('span', { class: 'time' });
    this.events = el('p', { class: 'quiet events' });
    this.problem = el('p', { role: 'alert', class: 'bad' });
    this.hangup = mayHangUp ? button('Hang up', () => this.hangUp(), { class: 'bad', 'aria-label': `Hang up the call of ${business}` }) : null;
    this.element = el('section', { class: 'card', 'data-call': sid, 'aria-label': `Call of ${business}` },
      el('h2', { dir: 'auto' }, business),
      el('p', {}, this.time, ' ', this.speaks),
      this.captions.list, this.events, this.problem,
      el('div', { class: 'row' }, this.hangup, el('a', { href: `#/record/${sid}` }, 'Its record')));
  }

  began({ since }) {
    this.since ??= since / 1_000;
    this.tick(Date.now());
  }

  /** Somebody begins to speak, or the caller ends. */
  speech({ speaker, speaking }) {
    if (this.isOver) return;
    this.speaking[speaker] = speaking;
    const { caller, agent } = this.speaking;
    fill(this.speaks, caller && agent ? 'both speak' : caller ? 'the caller speaks' : agent ? 'the agent speaks' : 'quiet');
  }

  /** A turn is over; that the agent has ended is told by nothing else. */
  turn(turn) {
    this.captions.take(turn);
    if (turn.speaker === 'agent') this.speech({ speaker: 'agent', speaking: false });
  }

  event({ what }) {
    if (!(what in EVENTS)) return;
    this.counted.set(what, (this.counted.get(what) ?? 0) + 1);
    fill(this.events, [...this.counted].map(([name, count]) => `${EVENTS[name]}: ${count}`).join(', '));
  }

  ended({ cause }) {
    this.isOver = true;
    this.endedAt = Date.now();
    this.captions.close();
    this.hangup?.remove();
    fill(this.speaks, `over: ${endCause(cause)}`);
    this.speaks.className = 'over';
  }

  tick(now) {
    if (this.since && !this.isOver) fill(this.time, duration((now - this.since) / 1_000));
  }

  async hangUp() {
    if (!confirm(`Hang up the call of ${this.business}?`)) return;
    this.hangup.disabled = true;
    try {
      await send('POST', `/calls/${this.sid}/hangup`);
    } catch (problem) {
      this.hangup.disabled = false;
      fill(this.problem, `${problem.message}.`);
    }
  }
}
