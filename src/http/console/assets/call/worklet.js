// The sound of a call, on the browser's audio thread: the microphone in frames of 20 ms at 16 kHz, and a speaker that says
// by the clock of the audio itself what was heard.

const RATE = 16_000;
const FRAME = RATE / 50;
// The speaker starts with so much, or once it has waited for so long: the network delivers in small bursts.
const BUFFER = 2 * FRAME;
const WAIT = 3 * FRAME;

/** From the rate of the device to that of the call: a windowed sinc, at the nearest of many phases. */
class Resampler {
  constructor(from) {
    this.step = from / RATE;
    this.phases = 128;
    this.half = Math.ceil(12 * Math.max(1, this.step));
    const cutoff = 0.94 * Math.min(1, 1 / this.step);
    this.filters = Array.from({ length: this.phases }, (_, phase) => this.filter(phase / this.phases, cutoff));
    this.past = new Float32Array(2 * this.half);
    this.at = 0;
  }

  filter(shift, cutoff) {
    const taps = new Float32Array(2 * this.half);
    let sum = 0;
    for (let tap = 0; tap < taps.length; tap += 1) {
      const x = tap - this.half + 1 - shift;
      const window = 0.5 + 0.5 * Math.cos((Math.PI * x) / (this.half + 1));
      const angle = Math.PI * cutoff * x;
      taps[tap] = window * (angle === 0 ? 1 : Math.sin(angle) / angle);
      sum += taps[tap];
    }
    return taps.map((tap) => tap / sum);
  }

  push(samples, each) {
    const all = new Float32Array(this.past.length + samples.length);
    all.set(this.past);
    all.set(samples, this.past.length);
    for (; Math.floor(this.at) < samples.length; this.at += this.step) {
      const whole = Math.floor(this.at);
      const taps = this.filters[Math.floor((this.at - whole) * this.phases)];
      let sum = 0;
      for (let tap = 0; tap < taps.length; tap += 1) sum += taps[tap] * all[whole + tap];
      each(sum);
    }
    this.at -= samples.length;
    this.past = all.slice(samples.length);
  }
}

class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate);
    this.frame = new Int16Array(FRAME);
    this.filled = 0;
    this.muted = false;
    this.silence = new Float32Array(128);
    this.port.onmessage = ({ data }) => { this.muted = data.muted; };
  }

  process([input]) {
    // Without a channel the microphone has nothing to say yet; silence keeps the time.
    const samples = this.muted ? this.silence : input[0] ?? this.silence;
    this.resampler.push(samples, (sample) => {
      this.frame[this.filled] = Math.max(-1, Math.min(1, sample)) * 32_767;
      this.filled += 1;
      if (this.filled === FRAME) {
        this.port.postMessage(this.frame.buffer, [this.frame.buffer]);
        this.frame = new Int16Array(FRAME);
        this.filled = 0;
      }
    });
    return true;
  }
}

class Speaker extends AudioWorkletProcessor {
  constructor() {
    super();
    this.queue = [];
    this.waiting = 0;
    this.isDry = true;
    this.dryFor = 0;
    this.passed = [];
    this.latency = 0;
    this.port.onmessage = ({ data }) => this.take(data);
  }

  take({ sound, mark, clear, latency }) {
    if (sound) {
      const samples = new Int16Array(sound);
      this.queue.push({ samples, at: 0 });
      this.waiting += samples.length;
    } else if (mark !== undefined) {
      this.queue.push({ mark });
    } else if (clear) {
      // What the device has taken already will be heard; the rest is nobody's any more, and so are its marks.
      this.queue = [];
      this.waiting = 0;
      this.isDry = true;
    } else if (latency !== undefined) {
      this.latency = latency * sampleRate;
    }
  }

  process(_, [output]) {
    const out = output[0];
    let filled = 0;
    if (this.mayStart(out.length)) {
      while (this.queue.length && (filled < out.length || this.queue[0].mark !== undefined)) {
        filled += this.play(this.queue[0], out, filled);
      }
      if (filled < out.length) this.isDry = true;
    }
    while (this.passed.length && this.passed[0].at + this.latency <= currentFrame) {
      this.port.postMessage(this.passed.shift().mark);
    }
    return true;
  }

  /** Plays what there is room for of an item, and drops it once it is played: how many samples that were. */
  play(item, out, from) {
    if (item.mark !== undefined) {
      this.passed.push({ mark: item.mark, at: currentFrame + from });
      this.queue.shift();
      return 0;
    }
    const count = Math.min(item.samples.length - item.at, out.length - from);
    for (let n = 0; n < count; n += 1) out[from + n] = item.samples[item.at + n] / 32_768;
    item.at += count;
    this.waiting -= count;
    if (item.at === item.samples.length) this.queue.shift();
    return count;
  }

  mayStart(length) {
    if (!this.isDry) return true;
    if (!this.queue.length) {
      this.dryFor = 0;
      return false;
    }
    this.dryFor += length;
    const isWhole = this.queue[this.queue.length - 1].mark?.endsWith(':end');
    if (this.waiting < BUFFER && this.dryFor < WAIT && !isWhole) return false;
    this.isDry = false;
    this.dryFor = 0;
    return true;
  }
}

registerProcessor('microphone', Microphone);
registerProcessor('speaker', Speaker);
