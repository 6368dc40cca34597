// Logging in with a token.

import { login } from '../lib/api.js';
import { el, field, fill } from '../lib/dom.js';

export function show(main, { start }) {
  const token = el('input', { type: 'password', name: 'token', autocomplete: 'current-password', required: true, class: 'wide' });
  const submit = el('button', { class: 'main' }, 'Log in');
  const said = el('p', { role: 'alert', class: 'bad', id: 'login-problem' });
  const form = el('form', { class: 'card narrow', onsubmit: enter },
    el('h1', {}, 'Log in'),
    el('p', { class: 'quiet' }, 'The administrator’s token, or another token of the interface. The first one lies in the file ',
      el('code', {}, 'admin-token'), ' in the service’s data directory.'),
    field('Token', token),
    said,
    el('div', { class: 'row' }, submit));
  token.setAttribute('aria-describedby', said.id);

  async function enter(event) {
    event.preventDefault();
    submit.disabled = true;
    fill(said);
    try {
      await login(token.value);
      token.value = '';
      await start();
    } catch (problem) {
      fill(said, `Not logged in: ${problem.message}.`);
      token.select();
    } finally {
      submit.disabled = false;
    }
  }

  fill(main, form);
  token.focus();
}
