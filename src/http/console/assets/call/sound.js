// The microphone and the speaker of a call.

const RATE = 16_000;
const WORKLET = new URL('./worklet.js', import.meta.url);
const LATENCY_EVERY_MS = 250;

/** Opens both: `onframe` gets 20 ms of the microphone, `onmark` the marks that were heard. */
export async function openSound({ onframe, onmark }) {
  if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) {
    throw new Error(window.isSecureContext
      ? 'this browser has no microphone for pages'
      : 'browsers give the microphone only to pages that come by https, or from this machine');
  }
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  });
  const contexts = [];
  try {
    // Two contexts: the microphone keeps the device's rate, since not every browser lets it have another.
    const [input, output] = [new AudioContext({ latencyHint: 'interactive' }), new AudioContext({ sampleRate: RATE, latencyHint: 'interactive' })];
    contexts.push(input, output);
    await Promise.all(contexts.map((context) => context.audioWorklet.addModule(WORKLET)));
    await Promise.all(contexts.map((context) => context.resume()));
    return new Sound(stream, input, output, onframe, onmark);
  } catch (error) {
    stream.getTracks().forEach((track) => track.stop());
    contexts.forEach((context) => context.close());
    throw error;
  }
}

class Sound {
  constructor(stream, input, output, onframe, onmark) {
    Object.assign(this, { stream, input, output });
    this.microphone = new AudioWorkletNode(input, 'microphone', { numberOfOutputs: 0, channelCount: 1, channelCountMode: 'explicit' });
    this.microphone.port.onmessage = ({ data }) => onframe(data);
    this.source = input.createMediaStreamSource(stream);
    this.source.connect(this.microphone);
    this.speaker = new AudioWorkletNode(output, 'speaker', { numberOfInputs: 0, outputChannelCount: [1] });
    this.speaker.port.onmessage = ({ data }) => onmark(data);
    this.speaker.connect(output.destination);
    this.timer = setInterval(() => this.speaker.port.postMessage({ latency: latency(output) }), LATENCY_EVERY_MS);
  }

  play(sound) {
    this.speaker.port.postMessage({ sound }, [sound]);
  }

  mark(name) {
    this.speaker.port.postMessage({ mark: name });
  }

  clear() {
    this.speaker.port.postMessage({ clear: true });
  }

  mute(muted) {
    this.microphone.port.postMessage({ muted });
  }

  close() {
    clearInterval(this.timer);
    this.stream.getTracks().forEach((track) => track.stop());
    this.source.disconnect();
    this.input.close();
    this.output.close();
  }
}

/** How far behind the audio thread the ear is, in seconds: by the device's own clock, where the browser knows it. */
function latency(context) {
  const { contextTime, performanceTime } = context.getOutputTimestamp?.() ?? {};
  const heard = contextTime + (performance.now() - performanceTime) / 1000;
  const behind = performanceTime > 0 ? context.currentTime - heard : context.outputLatency;
  return Math.min(Math.max(behind || 0, 0), 1);
}
