// Elements, in few words. Texts become text nodes, never markup.

/**
 * An element: `el('button', {type: 'button', onclick: go}, 'Call')`. What begins with `on` is listened to, `class` and
 * attributes with a dash are set as attributes, `true` and `false` as present and absent ones.
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Puts these into the place of what was there. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
}

/** A button. */
export const button = (text, onclick, attributes = {}) => el('button', { type: 'button', ...attributes, onclick }, text);

/** A field with its label: `field('Token', input)`. */
export function field(text, control) {
  control.id ||= `field-${fields += 1}`;
  return el('div', {}, el('label', { for: control.id }, text), control);
}
let fields = 0;
