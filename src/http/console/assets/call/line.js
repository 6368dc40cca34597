// The WebSocket of a call.

// The service says how loud it is ten times a second: so much silence means that the network is gone.
const GONE_AFTER_MS = 5_000;
// What waits to be sent beyond this is old already: two seconds of sound.
const MOST_WAITING = 64_000;

/**
 * A call. Its events: `ready`, `sound`, `mark`, `clear`, `caption`, `levels` with what the service said as `detail`, and in
 * the end, once, `over` with `{cause}`, `{refused}` or `{lost: true}`.
 */
export class Line extends EventTarget {
  constructor(business) {
    super();
    this.isOver = false;
    const address = new URL('/console/call', location.href);
    address.protocol = address.protocol.replace('http', 'ws');
    this.socket = new WebSocket(address, ['trunkline.call.v1']);
    this.socket.binaryType = 'arraybuffer';
    this.socket.onopen = () => this.say({ type: 'start', ...(business ? { business } : {}) });
    this.socket.onmessage = ({ data }) => this.take(data);
    this.socket.onclose = () => this.end({ lost: true });
    this.alive = performance.now();
    this.timer = setInterval(() => {
      if (performance.now() - this.alive > GONE_AFTER_MS) this.end({ lost: true });
    }, 500);
    this.offline = () => this.end({ lost: true });
    addEventListener('offline', this.offline);
  }

  take(data) {
    this.alive = performance.now();
    if (data instanceof ArrayBuffer) return this.tell('sound', data);
    const { type, ...rest } = JSON.parse(data);
    if (type === 'ended') return this.end(rest);
    if (type === 'refused') return this.end({ refused: rest.reason });
    this.tell(type, rest);
  }

  tell(type, detail) {
    if (!this.isOver) this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  say(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  sound(frame) {
    const { readyState, bufferedAmount } = this.socket;
    if (readyState === WebSocket.OPEN && bufferedAmount < MOST_WAITING) this.socket.send(frame);
  }

  heard(mark) {
    this.say({ type: 'mark', name: mark });
  }

  press(digit) {
    this.say({ type: 'dtmf', digit });
  }

  mute(muted) {
    this.say({ type: 'mute', muted });
  }

  hangUp() {
    if (this.socket.readyState !== WebSocket.OPEN) return this.end({ cause: 'caller_hung_up' });
    this.say({ type: 'hangup' });
  }

  end(how) {
    if (this.isOver) return;
    this.tell('over', how);
    this.isOver = true;
    clearInterval(this.timer);
    removeEventListener('offline', this.offline);
    this.socket.close();
  }
}
