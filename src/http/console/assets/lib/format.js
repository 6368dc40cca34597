// How times and numbers are shown: as the reader's own browser does.

const clock = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

/** A moment, as the interface writes it (RFC 3339). */
export const moment = (text) => (text ? clock.format(new Date(text)) : '–');

/** Seconds as `m:ss`, or `h:mm:ss`. */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n) => String(n).padStart(2, '0');
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

const CAUSES = {
  caller_hung_up: 'you hung up',
  stream_lost: 'the connection was lost',
  media_unsupported: 'the sound was of another kind',
  agent_hung_up: 'the agent said goodbye',
  transferred: 'it was handed over',
  caller_silent: 'nobody spoke',
  maximum_length: 'the longest allowed call was reached',
  agent_unavailable: 'the voice agent could not be reached',
  operator_hung_up: 'an operator ended it',
  machine_answered: 'a machine answered',
  draining: 'the service is stopping',
  internal_fault: 'a fault of the service',
};

/** Why a call ended, for whoever was on it. */
export const cause = (word) => CAUSES[word] ?? word;
