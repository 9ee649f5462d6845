// Watch: the traffic of this server as it comes.

import { pulseUsers, users } from './api.js';
import { chart } from './charts.js';
import { duration, fill, h, money, percent, whole } from './dom.js';
import { feed } from './feed.js';
import { meter } from './results.js';

const LAYERS = [
  ['memory', 'memory'],
  ['cache', 'shared cache'],
  ['table', 'table'],
  ['joined', 'joined another request'],
  ['asked', 'judged'],
];

const WAITS = [
  ['lookup', 'charge and caches'],
  ['asking', 'judging'],
  ['settling', 'settling'],
  ['rest', 'everything else'],
];

const keys = (list) => h('p', { class: 'keys' }, list.map(([name, text]) => h('span', {}, h('i', { class: `c-${name}` }), text)));

function tile(name) {
  const value = h('dd', {}, '–');
  const note = h('dd', {}, '');
  return { element: h('div', { class: 'tile' }, h('dt', {}, name), value, note), set: (text, more = '') => (fill(value, text), fill(note, more)) };
}

function tiles() {
  const all = {
    rate: tile('Requests'), times: tile('Median time'), hits: tile('Answered from a cache'),
    refused: tile('Refused or failed'), spend: tile('Cost so far'), tokens: tile('Model tokens'), queue: tile('Requests under way'), jobs: tile('Jobs waiting'),
  };
  const update = () => {
    const { minute, total } = feed;
    if (!minute) return;
    const { memory, cache, table, joined, asked } = minute.answered;
    const hits = memory + cache + table + joined;
    all.rate.set(`${(minute.requests / 60).toFixed(minute.requests < 600 ? 2 : 0)}/s`, `${whole(minute.requests)} in the last minute`);
    all.times.set(duration(minute.p50), `99 % within ${duration(minute.p99)}, last minute`);
    all.hits.set(percent(hits, hits + asked), `${whole(hits)} of ${whole(hits + asked)} questions, last minute`);
    all.refused.set(whole(minute.refused + minute.failed), `${whole(minute.failed)} failed, ${whole(minute.degraded)} degraded, last minute`);
    all.spend.set(money(total.microUsd), 'at AWS prices, since the start');
    all.tokens.set(whole(total.inputTokens + total.outputTokens), `${whole(total.inputTokens)} read, ${whole(total.outputTokens)} written`);
  };
  const examine = () => {
    const { underWay, waiting, shed, jobs } = feed.condition;
    all.queue.set(whole(underWay), `${whole(waiting)} waiting, ${whole(shed)} turned away`);
    all.jobs.set(jobs ? whole(jobs.waiting) : '–', jobs ? `${whole(jobs.underWay)} under way` : 'the queue is elsewhere');
  };
  return { element: h('dl', { class: 'tiles' }, Object.values(all).map(({ element }) => element)), update, examine };
}

function charts() {
  const places = [0, 1, 2].map(() => h('div', { class: 'chart', 'aria-hidden': 'true' }));
  const draw = [
    chart(places[0], [{ name: 'fine', of: ({ requests, degraded, refused, failed }) => requests - degraded - refused - failed }, ...['degraded', 'refused', 'failed'].map((name) => ({ name, of: (second) => second[name] }))], { stacked: true, values: (value) => whole(value) }),
    chart(places[1], [{ name: 'p99', of: ({ p99 }) => p99 }, { name: 'p50', of: ({ p50 }) => p50 }], { logarithmic: true, values: (value) => (value >= 1000 ? `${value / 1000} s` : `${value} ms`) }),
    chart(places[2], LAYERS.map(([name]) => ({ name, of: ({ answered }) => answered[name] })), { stacked: true, values: (value) => whole(value) }),
  ];
  const figure = (title, place, list) => h('figure', { class: 'card' }, h('h2', {}, title), list ? keys(list) : null, place);
  const refusals = h('ul', { class: 'rows' });
  const element = h('div', { class: 'charts' },
    figure('Requests a second', places[0], [['fine', 'answered'], ['degraded', 'degraded'], ['refused', 'refused'], ['failed', 'failed']]),
    figure('Time in the server', places[1], [['p50', 'median'], ['p99', '99 %']]),
    figure('Questions by source', places[2], LAYERS),
    h('section', { class: 'card' }, h('h2', {}, 'Refused by a limit, last minute'), refusals));
  const update = () => {
    draw.forEach((one) => one(feed.seconds));
    const { ip, burst, daily } = feed.minute.refusals;
    const row = (name, text, count) => h('li', {}, h('span', {}, h('b', {}, name), ` ${text}`), h('span', {}, whole(count)));
    fill(refusals, row('ip', 'too many from one address', ip), row('burst', 'too many from one user in a minute', burst), row('daily', 'the day’s quota is used up', daily),
      h('li', { class: 'soft' }, h('span', {}, 'Model calls'), `${whole(feed.minute.modelCalls)}, ${whole(feed.minute.modelFailures)} failed`));
  };
  return { element, update };
}

const STATES = { ok: ['good', 'works'], down: ['bad', 'down'], none: ['plain', 'none'] };

function conditions() {
  const list = h('ul', { class: 'rows' }, h('li', { class: 'soft' }, 'Not checked yet.'));
  const row = (name, kind, text) => h('li', {}, h('span', {}, name), h('span', { class: `label ${kind}` }, text));
  const update = () => {
    const { tables, cache, providers } = feed.condition;
    const probed = (name, { status, latencyMs }) => row(name, STATES[status][0], latencyMs === undefined || status !== 'ok' ? STATES[status][1] : `works, ${duration(latencyMs)}`);
    fill(list, probed('Tables', tables), probed('Shared cache', cache),
      Object.entries(providers).map(([name, { asked, refusedWith }]) => {
        if (name === 'local') return row('Embedded judge', 'good', 'built in');
        const text = asked ? 'breaker closed' : 'breaker open';
        return row(name, asked ? 'good' : 'bad', refusedWith ? `${text}, refused with ${refusedWith}` : text);
      }));
  };
  return { element: h('section', { class: 'card' }, h('h2', {}, 'Condition'), list), update };
}

function quotas() {
  const list = h('div');
  const update = () => {
    const known = [...users, ...pulseUsers].flatMap((user) => Object.entries(user.standing).filter(([, { daily }]) => daily).map(([name, { daily }]) => ({ user, name, daily })));
    fill(list, known.length === 0 ? h('p', { class: 'soft small' }, 'No demo user of this page has asked anything yet. Other users are not shown.') : known.map(({ user, name, daily }) =>
      h('div', { class: 'quota' }, h('p', {}, h('span', {}, `${user.name}, ${name}`), h('span', { class: 'soft' }, `${whole(daily.left)} of ${whole(daily.quota)} left`)), meter(daily.left / daily.quota))));
  };
  [...users, ...pulseUsers].forEach((user) => user.addEventListener('change', update));
  update();
  return { element: h('section', { class: 'card' }, h('h2', {}, 'Quota of the demo users'), list), update };
}

const OUTCOMES = { ok: 'good', degraded: 'warn', refused: 'plain', failed: 'bad' };

function waits(row, longest) {
  const parts = [row.lookupMs ?? 0, row.askingMs ?? 0, row.settlingMs ?? 0];
  const rest = Math.max(0, row.ms - parts.reduce((sum, part) => sum + part, 0));
  const bar = h('div', { class: 'bar' }, [...parts, rest].map((ms, n) => {
    const piece = h('i', { class: `c-${WAITS[n][0]}` });
    piece.style.flex = `${ms} 0 0`;
    return piece;
  }));
  bar.style.width = `${Math.max(1, (row.ms / longest) * 100)}%`;
  return bar;
}

function answeredBy({ localHits, sharedHits, tableHits, joined, asked, distinct, route, status }) {
  if (distinct === undefined || status >= 400) return '';
  const parts = [[localHits, 'memory'], [sharedHits, 'cache'], [tableHits, 'table'], [joined, 'joined'], [asked, 'judged']];
  return parts.filter(([count]) => count).map(([count, name]) => `${count} ${name}`).join(', ') || (route === '/v1/detect' ? 'similar frame' : '–');
}

function requests() {
  const body = h('tbody');
  const empty = h('div', { class: 'empty' }, h('strong', {}, 'No request yet'), 'Ask something under Try, or paste one of the commands that the server printed.');
  const table = h('div', { class: 'scroll', tabIndex: 0, role: 'region', 'aria-label': 'The last requests' },
    h('table', {},
      h('thead', {}, h('tr', {}, ['Time', 'Request', 'Answer', 'Answered by', 'Where the time went', 'Took', 'Cost'].map((name, n) => h('th', { scope: 'col', class: n > 4 ? 'number' : '' }, name)))),
      body));
  const update = () => {
    empty.hidden = feed.requests.length > 0;
    table.hidden = !empty.hidden;
    const longest = Math.max(...feed.requests.map(({ ms }) => ms), 1);
    fill(body, feed.requests.map((row) => h('tr', {},
      h('td', { class: 'soft' }, row.time.slice(11, 19)),
      h('td', {}, `${row.method} ${row.route || 'unknown path'}`),
      h('td', {}, h('span', { class: `label ${OUTCOMES[row.outcome] ?? 'plain'}` }, String(row.status)), ' ', h('span', { class: 'soft' }, row.refusedBy ?? row.error ?? (row.degraded.length ? `without ${row.degraded.join(', ')}` : ''))),
      h('td', { class: 'soft' }, answeredBy(row)),
      h('td', { class: 'wide' }, waits(row, longest)),
      h('td', { class: 'number' }, duration(row.ms)),
      h('td', { class: 'number soft' }, money(row.costMicroUsd)))));
  };
  return { element: h('section', { class: 'card below' }, h('h2', {}, 'The last hundred requests'), keys(WAITS), h('div', { class: 'below' }, empty, table)), update };
}

/** The section. */
export function watchSection() {
  const [figures, drawn, state, quota, list] = [tiles(), charts(), conditions(), quotas(), requests()];
  const element = h('section', { 'aria-labelledby': 'watch-title' },
    h('h1', { id: 'watch-title' }, 'Watch the traffic'),
    h('p', { class: 'lead' }, 'Every request to this server, whoever sends it. The figures come from the record that each request writes.'),
    figures.element, drawn.element,
    h('div', { class: 'charts' }, state.element, quota.element),
    list.element);
  const update = () => {
    if (element.hidden || !feed.minute) return;
    figures.update();
    drawn.update();
    list.update();
  };
  const examine = () => {
    if (!feed.condition) return;
    figures.examine();
    state.update();
  };
  feed.addEventListener('traffic', update);
  feed.addEventListener('condition', examine);
  return { element, shown: () => (update(), examine()) };
}
