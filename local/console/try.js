// Try: each workload as an app would use it. A workload whose endpoint the server does not have has no tab.

import { users } from './api.js';
import { chatPanel } from './chat.js';
import { detectPanel } from './detect.js';
import { duration, field, fill, h, tabs, whole } from './dom.js';
import { feed } from './feed.js';
import { degraded, meter, problem, source, stage } from './results.js';

let user = users[0];

const lines = (text) => text.split('\n').map((line) => line.trim()).filter(Boolean);

const POSTS = [
  {
    name: 'Crypto and recipes',
    preference: 'Hide crypto and diet ads, but keep recipes',
    posts: ['Buy Bitcoin now, crypto is going to the moon', 'My sourdough starter turned five today', 'Lose 10 kg in a week with this one tea', 'A recipe for lentil soup that my grandmother wrote down', 'The city council votes on the bike lane tonight'],
  },
  {
    name: 'Spoilers',
    preference: 'No spoilers for Severance, and nothing about football',
    posts: ['Severance finale: I cannot believe what Mark did', 'Two goals in extra time, what a football match', 'The new library opens on Saturday'],
  },
  {
    name: 'In German',
    preference: 'Keine Politik bitte',
    posts: ['Der Bundestag streitet über den Haushalt', 'Sonnenuntergang am See, ganz ohne Filter', 'Die Wahl wird knapp'],
  },
];

function classifyPanel() {
  const preference = h('textarea', { rows: 2, id: 'preference', required: true });
  const posts = h('textarea', { rows: 6, id: 'posts', required: true });
  const explain = h('input', { type: 'checkbox', id: 'explain', checked: true });
  const button = h('button', { class: 'primary' }, 'Judge the posts');
  const later = h('button', { type: 'button', onclick: () => submit() }, 'Submit as a job');
  const shown = stage('Nothing judged yet', 'Choose a sample or paste posts of your own.');
  const use = (sample) => {
    preference.value = sample.preference;
    posts.value = sample.posts.join('\n');
  };
  const asked = () => {
    const texts = lines(posts.value);
    return { texts, json: { preference: preference.value, posts: texts.map((text, n) => ({ id: String(n + 1), text })) } };
  };
  const drawn = ({ results, degraded: without }, texts) => [degraded(without), h('ol', { class: 'results' }, results.map((result, n) => verdict(result, texts[n])))];
  const ask = () => {
    const { texts, json } = asked();
    return shown.run(button, () => user.ask('posts', `/v1/classify${explain.checked ? '?explain=true' : ''}`, { json }), ({ body }) => drawn(body, texts));
  };
  /** The same posts through the queue: they are charged at once, and asked for until they are judged. */
  const submit = () => {
    const { texts, json } = asked();
    const [asker, since] = [user, performance.now()];
    let ended;
    const ask = async () => {
      const answer = await asker.ask('posts', '/v1/jobs', { json: { type: 'classify', ...json } });
      if (answer.status === 202) ended = await asker.ended(answer.body.jobId);
      return answer;
    };
    return shown.run(later, ask, () => {
      const took = h('p', { class: 'small soft below' }, `The job was ${ended.status} after ${duration(performance.now() - since)}. It is kept for an hour under its id.`);
      return ended.result ? [...drawn(ended.result, texts), took] : [problem({ status: ended.error?.error ?? '', body: ended.error }), took];
    });
  };
  use(POSTS[0]);
  const form = h('form', { class: 'card', onsubmit: (event) => (event.preventDefault(), ask()) },
    h('h2', {}, 'A preference and a feed'),
    samples(POSTS, use),
    h('div', { class: 'below' }, field('Preference', preference, 'In the user’s own words, 1 to 2,000 characters.'), field('Posts', posts, 'One a line, up to 50.'), h('label', { class: 'check' }, explain, 'Explain each verdict')),
    h('div', { class: 'actions' }, button, feed.has('/v1/jobs') ? later : null));
  return h('div', { class: 'split' }, form, shown.element);
}

function verdict({ label, score, source: from, reason, failedOpen }, text) {
  const hides = label === 'HIDE';
  return h('li', { class: 'verdict' },
    h('span', { class: `label ${hides ? 'hide' : 'allow'}` }, hides ? 'Hide' : 'Allow'),
    h('p', { class: 'text' }, text),
    reason ? h('p', { class: 'why' }, capital(reason)) : null,
    h('p', { class: 'score' }, meter(score, hides ? 'bad' : ''), `score ${score.toFixed(2)}`, h('span', {}, failedOpen ? source('default') : source(from))));
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');

const ITEMS = [
  { name: 'Help pages', query: 'reset my password', items: ['Choose a theme under Appearance.', 'To reset your password, open Settings and choose Security.', 'Passwords have at least twelve characters.', 'Invoices are sent on the first of the month.'] },
  { name: 'Recipes', query: 'vegetarian dinner in half an hour', items: ['Beef stew, simmered for four hours', 'Vegetarian chili, ready for dinner in 25 minutes', 'Overnight oats with berries', 'Half an hour to a vegetarian lasagne'] },
];

function rankPanel() {
  const query = h('input', { type: 'text', id: 'query', required: true });
  const items = h('textarea', { rows: 6, id: 'items', required: true });
  const count = h('select', { id: 'samples' }, [1, 2, 3, 4, 5].map((n) => h('option', { value: n }, String(n))));
  const button = h('button', { class: 'primary' }, 'Rank the items');
  const shown = stage('Nothing ranked yet', 'Every item comes back once, the best first.');
  const use = (sample) => {
    query.value = sample.query;
    items.value = sample.items.join('\n');
  };
  const ask = () => {
    const texts = lines(items.value);
    const json = { query: query.value, items: texts.map((text, n) => ({ id: String(n + 1), text })), samples: Number(count.value), explain: true };
    return shown.run(button, () => user.ask('rankings', '/v1/rank', { json }), ({ body }) => [
      degraded(body.degraded),
      h('ol', { class: 'results' }, body.results.map(({ id, rank, score, reason }) =>
        h('li', { class: 'verdict' },
          h('span', { class: 'rank-number' }, String(rank)),
          h('p', { class: 'text' }, texts[Number(id) - 1]),
          reason ? h('p', { class: 'why' }, capital(reason)) : null,
          h('p', { class: 'score' }, meter(score), `score ${score.toFixed(2)}`)))),
      h('p', { class: 'small soft below' }, `By ${source(body.source)}. Agreement of the samples: ${body.agreement.toFixed(2)}.`),
    ]);
  };
  use(ITEMS[0]);
  const form = h('form', { class: 'card', onsubmit: (event) => (event.preventDefault(), ask()) },
    h('h2', {}, 'A query and items in any order'),
    samples(ITEMS, use),
    h('div', { class: 'below' }, field('Query', query), field('Items', items, 'One a line, 2 to 50. Their order changes nothing.'), field('Samples', count, 'How many rankings a model is asked for; they are combined, and each is charged.')),
    h('div', { class: 'actions' }, button));
  return h('div', { class: 'split' }, form, shown.element);
}

function samples(list, use) {
  return h('div', { class: 'samples' }, h('span', { class: 'soft' }, 'Samples'),
    list.map((sample) => h('button', { type: 'button', class: 'small', onclick: () => use(sample) }, sample.name)));
}

function whoAsks() {
  const select = h('select', { id: 'who', onchange: () => ((user = users[select.selectedIndex]), said()) }, users.map(({ name }) => h('option', {}, name)));
  const quota = h('span', { class: 'soft' });
  const said = () => {
    const daily = user.standing[user.latest]?.daily;
    const registered = user.kept ? 'registered' : 'registers itself with the first request';
    fill(quota, daily ? `${whole(daily.left)} of ${whole(daily.quota)} ${user.latest} left today` : registered);
  };
  users.forEach((one) => one.addEventListener('change', said));
  said();
  return h('div', { class: 'who' }, h('label', { for: 'who' }, 'Demo user'), select,
    h('button', { type: 'button', class: 'quiet small', onclick: () => user.forget() }, 'New user'), quota);
}

const WORKLOADS = [
  { name: 'Posts', route: '/v1/classify', panel: classifyPanel },
  { name: 'Pictures', route: '/v1/detect', panel: () => detectPanel(() => user) },
  { name: 'Ranking', route: '/v1/rank', panel: rankPanel },
  { name: 'Chat', route: '/v1/chat/completions', panel: () => chatPanel(() => user) },
];

/** The section. */
export function trySection() {
  const there = WORKLOADS.filter(({ route }) => feed.has(route));
  const element = h('section', { 'aria-labelledby': 'try-title' },
    h('div', { class: 'head' },
      h('div', {}, h('h1', { id: 'try-title' }, 'Try a request'), h('p', { class: 'lead' }, 'Each request goes through the API as an app’s would: a registered device, limits, quota, caches, and then a judge.')),
      whoAsks()),
    tabs('Workloads', there.map(({ name, panel }) => ({ name, panel: panel() }))));
  return { element };
}
