// Small helpers to build the page. Text is always set as text: nothing here reads HTML.

const SVG = 'http://www.w3.org/2000/svg';

/** Makes an element: properties with `on` are listeners, `data` and ARIA become attributes, the rest is set as it is. */
export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (key === 'class') element.className = value;
    else if (key === 'data') Object.assign(element.dataset, value);
    else if (key.includes('-') || ['role', 'for', 'list'].includes(key)) element.setAttribute(key, value === true ? '' : value);
    else element[key] = value;
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

/** Makes an element of a drawing. */
export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Replaces all children. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

/** Text whose parts between backquotes are code. */
export const prose = (text) => text.split('`').map((part, n) => (n % 2 ? h('code', {}, part) : part));

/** A list of tabs with their panels: arrow keys, Home and End move between them. */
export function tabs(label, items, chosen = 0) {
  const id = label.toLowerCase().replace(/[^a-z]+/g, '-');
  const list = h('div', { class: 'tabs', role: 'tablist', 'aria-label': label });
  const panels = h('div', { class: 'panels' });
  const buttons = items.map(({ name, panel }, n) => {
    const button = h('button', { type: 'button', role: 'tab', id: `${id}-tab-${n}`, 'aria-controls': `${id}-panel-${n}`,
      onclick: () => show(n), onkeydown: (event) => move(event, n) }, name);
    panels.append(h('div', { role: 'tabpanel', id: `${id}-panel-${n}`, 'aria-labelledby': `${id}-tab-${n}`, class: 'panel' }, panel));
    list.append(button);
    return button;
  });
  function show(n) {
    buttons.forEach((button, at) => {
      button.setAttribute('aria-selected', String(at === n));
      button.tabIndex = at === n ? 0 : -1;
      panels.children[at].hidden = at !== n;
    });
  }
  function move(event, n) {
    const last = buttons.length - 1;
    const to = { ArrowRight: n === last ? 0 : n + 1, ArrowLeft: n === 0 ? last : n - 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    show(to);
    buttons[to].focus();
  }
  show(chosen);
  return h('div', {}, list, panels);
}

/** A field with its label and, if given, a hint that screen readers read with it. */
export function field(label, control, hint) {
  control.id ||= `field-${label.toLowerCase().replace(/[^a-z]+/g, '-')}`;
  const parts = [h('label', { for: control.id }, label), control];
  if (hint) {
    const note = h('p', { class: 'hint', id: `${control.id}-hint` }, hint);
    control.setAttribute('aria-describedby', note.id);
    parts.push(note);
  }
  return h('div', { class: 'field' }, ...parts);
}

const NUMBER = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

export const whole = (number) => NUMBER.format(number);

/** A duration in milliseconds with about three digits. */
export function duration(ms) {
  if (ms === null || ms === undefined) return '–';
  // The space does not break.
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)}\u00a0s`;
  return `${ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : ms.toFixed(2)}\u00a0ms`;
}

/** An amount of money given in millionths of a dollar. */
export function money(microUsd) {
  if (microUsd === 0) return '$0';
  const usd = microUsd / 1e6;
  return usd >= 0.01 ? `$${usd.toFixed(2)}` : `$${usd.toFixed(Math.min(9, 1 - Math.floor(Math.log10(usd))))}`;
}

export const percent = (part, all) => (all ? `${Math.round((part / all) * 100)} %` : '–');
