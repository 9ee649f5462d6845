// The parts that every result on the page is shown with: its source, its cost, the limits, and the request as a command.

import { recordOf } from './api.js';
import { duration, fill, h, money, whole } from './dom.js';

const SOURCES = {
  model: 'a model, asked just now',
  cache: 'remembered, not judged again',
  similar: 'nearly the same picture as a moment ago',
  stale: 'remembered and out of date: no provider answers',
  local: 'the embedded judge in this program',
  default: 'no judge could answer: let through, not charged',
};

/** The source of a result in words. */
export const source = (name) => SOURCES[name] ?? name;

/** A bar from 0 to 1. */
export function meter(value, kind = '') {
  const bar = h('i');
  bar.style.width = `${Math.round(Math.min(1, Math.max(0, value)) * 100)}%`;
  return h('span', { class: `meter ${kind}`, 'aria-hidden': 'true' }, bar);
}

/** The names of the parts that an answer did without. */
export function degraded(names) {
  return names?.length ? h('p', { class: 'notice' }, h('strong', {}, 'Degraded: '), `answered without ${names.join(', ')}.`) : null;
}

/** An answer that is no result. */
export function problem(answer) {
  const { title, detail, error, retryable, retryAfterMs, errors } = answer.body?.error?.message
    ? { title: answer.body.error.message, error: answer.body.error.code }
    : answer.body ?? {};
  const again = retryable ? ` Worth trying again${retryAfterMs ? ` in ${duration(retryAfterMs)}` : ''}.` : '';
  return h('div', { class: 'problem', role: 'alert' },
    h('h3', {}, `${answer.status} ${error ?? ''}`),
    h('p', {}, `${detail ?? title ?? 'No answer.'}${again}`),
    errors?.length ? h('ul', {}, errors.map((one) => h('li', {}, h('code', {}, one.pointer || '/'), ` ${one.detail}`))) : null);
}

/** Something that went wrong before there was an answer. */
export function failure(error) {
  if (error.answer) return problem(error.answer);
  return h('div', { class: 'problem', role: 'alert' }, h('h3', {}, 'No answer'), h('p', {}, `${error.message}. Is the server running?`));
}

const fact = (name, ...value) => h('div', {}, h('dt', {}, name), h('dd', {}, ...value));

/** Endpoints whose minute counts something else than their day. */
const MINUTES = { '/v1/chat/completions': 'replies', '/v1/jobs': 'jobs' };

/** The limits that are left. */
function left({ limits, meter, path }) {
  const parts = [];
  if (limits?.daily) parts.push(`${whole(limits.daily.left)} of ${whole(limits.daily.quota)} ${meter} today`);
  if (limits?.burst) parts.push(`${whole(limits.burst.left)} of ${whole(limits.burst.quota)} ${MINUTES[path] ?? meter} this minute`);
  return parts.join(', ') || 'not limited';
}

/** The facts of an answer: time, cost, limits, id. The cost comes from the server's own record. */
export function facts(answer) {
  const time = h('dd', {}, duration(answer.ms));
  const cost = h('dd', {}, '…');
  recordOf(answer.id).then(
    (record) => {
      if (!record) return fill(cost, 'not recorded');
      fill(time, `${duration(record.ms)} in the server`);
      fill(cost, `${money(record.costMicroUsd)} on AWS`);
      cost.title = 'At list prices: gateway, function, table, and the model if one was asked.';
      return cost;
    },
    () => fill(cost, 'not recorded'),
  );
  return h('dl', { class: 'facts' },
    h('div', {}, h('dt', {}, 'Took'), time),
    h('div', {}, h('dt', {}, 'Cost'), cost),
    fact('Correlation id', h('code', {}, answer.id)),
    h('div', { class: 'whole' }, h('dt', {}, 'Quota left'), h('dd', {}, left(answer))));
}

/** The request as a command to copy. */
export function command({ whole: text, shown }) {
  const copy = h('button', { type: 'button', class: 'small', onclick: () => put(text, copy) }, 'Copy the command');
  return h('details', { class: 'curl' }, h('summary', {}, 'The same with curl'),
    h('div', { class: 'command' }, h('pre', { tabIndex: 0, 'aria-label': 'The request as a curl command' }, shown), copy));
}

async function put(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  } catch {
    button.textContent = 'The browser does not allow it';
  }
  setTimeout(() => (button.textContent = before), 2000);
}

/** A place for results: empty, busy, or with an answer. */
export function stage(title, hint) {
  const body = h('div', { 'aria-live': 'polite' }, h('div', { class: 'empty' }, h('strong', {}, title), hint));
  const element = h('section', { class: 'card', 'aria-label': 'Results' }, h('h2', {}, 'Results'), body);
  return {
    element,
    /** Runs `ask` and shows what `draw` makes of its answer. */
    async run(button, ask, draw) {
      button.disabled = true;
      element.setAttribute('aria-busy', 'true');
      body.classList.add('busy');
      try {
        const answer = await ask();
        const shown = answer.status < 300 ? draw(answer) : [problem(answer)];
        fill(body, shown, facts(answer), command(answer.curl));
      } catch (error) {
        fill(body, failure(error));
      } finally {
        button.disabled = false;
        element.removeAttribute('aria-busy');
        body.classList.remove('busy');
      }
    },
  };
}
