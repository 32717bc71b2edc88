/** The element of an id of the page. */
export const at = (id) => document.getElementById(id);

/** A new element: its properties, then what is in it. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && name !== 'list') element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export const percent = (part) => `${(100 * part).toFixed(part > 0.995 || part < 0.1 ? 1 : 0)} %`;

/** A share as a bar with its figure. */
export function meter(part, label) {
  const bar = make('meter', { min: 0, max: 1, value: Math.max(0, Math.min(1, part)) });
  bar.setAttribute('aria-label', label);
  return make('span', { className: 'share' }, bar, make('span', { className: 'figure' }, percent(part)));
}
