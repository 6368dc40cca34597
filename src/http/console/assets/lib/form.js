// Fields of forms, and what the service says of each.

import { el, fill } from './dom.js';

let fields = 0;

/**
 * A field with its label, a word of help, and a place for what is wrong with it. `name` is the field's name in the
 * interface, `control` its element.
 */
export function labelled(name, text, control, help) {
  const id = (control.id ||= `f${fields += 1}-${name.replaceAll('.', '-')}`);
  const wrong = el('p', { class: 'wrong', id: `${id}-wrong` });
  const said = help ? el('p', { class: 'help', id: `${id}-help` }, help) : null;
  control.setAttribute('aria-describedby', [wrong.id, said?.id].filter(Boolean).join(' '));
  const whole = el('div', { class: 'field', 'data-field': name }, el('label', { for: id }, text), control, said, wrong);
  whole.control = control;
  whole.wrong = wrong;
  return whole;
}

/** Takes away what was said of the fields. */
export function clearFaults(form, summary) {
  fill(summary);
  for (const field of form.querySelectorAll('[data-field]')) {
    field.control.removeAttribute('aria-invalid');
    fill(field.wrong);
  }
}

/**
 * Says of each field what the service found, and in `summary` what belongs to none. The first wrong field is focused.
 * `prompts.inbound`, `numbers[2]` and the like belong to the field that has the longest beginning of that name.
 */
export function showFaults(form, summary, problem) {
  const known = [...form.querySelectorAll('[data-field]')].map((field) => [field.dataset.field, field]);
  const others = [];
  let first = null;
  for (const { field: name, detail } of problem.fields ?? []) {
    const fits = known.filter(([own]) => name === own || name.startsWith(`${own}.`) || name.startsWith(`${own}[`));
    const found = fits.sort(([a], [b]) => b.length - a.length)[0]?.[1];
    if (!found) {
      others.push(`${name}: ${detail}`);
      continue;
    }
    found.control.setAttribute('aria-invalid', 'true');
    found.wrong.append(el('span', {}, name === found.dataset.field ? detail : `${name}: ${detail}`), ' ');
    first ??= found.control;
  }
  const head = problem.fields?.length ? 'Not saved. Look at what is marked.' : `Not saved: ${problem.message}.`;
  fill(summary, el('p', { class: 'bad' }, head), others.length ? el('ul', {}, others.slice(0, 50).map((text) => el('li', {}, text))) : null,
    others.length > 50 ? el('p', {}, `… and ${others.length - 50} more`) : null);
  if (first) first.focus();
  else summary.scrollIntoView({ block: 'nearest' });
}
