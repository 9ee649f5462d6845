// Break: the stand-ins of this server fail on purpose, and a pulse of requests shows what users get meanwhile.

import { pulseUsers, users } from './api.js';
import { duration, fill, h, prose } from './dom.js';
import { feed } from './feed.js';

/** How often a request is sent, in milliseconds. With two users it stays within the limits of the free plan. */
const EVERY = 1500;

const PARTS = {
  cache: {
    name: 'Shared cache',
    about: 'Remembers verdicts for all instances, and counts bursts and addresses.',
    absent: {
      none: 'This server has no shared cache. Start one with `make demo`, or set `CLEARVIEW_CACHE_URL`.',
      encrypted: 'The shared cache speaks TLS, so nothing can stand between it and this server.',
    },
    troubles: {
      frozen: ['Frozen', 'It takes requests and never answers. After one time limit it is skipped: memory and the table answer, and this process limits by itself.'],
      gone: ['Gone', 'Every connection ends. Memory and the table answer, and this process limits by itself.'],
    },
  },
  tables: {
    name: 'Tables',
    about: 'Hold quotas, identities and verdicts.',
    absent: { elsewhere: 'The tables are a service elsewhere, not this server’s own.' },
    troubles: {
      frozen: ['Frozen', 'They take requests and never answer. Classifying goes on without the day’s count, which catches up later. Registering and refreshing tokens fail.'],
      refusing: ['Refusing', 'Every call is answered with an error. The same as frozen, without the wait.'],
    },
  },
  model: {
    name: 'Model',
    about: 'The scripted provider that stands in for a real one.',
    absent: {
      none: 'No scripted provider runs: the embedded judge answers, or a real provider, which nothing here breaks. Start with `make demo`, or with `--script`.',
    },
    troubles: {
      slow: ['Slow', 'Each call takes 1.5 s longer. Remembered answers are as fast as ever.'],
      failing: ['Failing', 'Each call is answered with 500. The breaker opens, remembered verdicts are served past their time, and the embedded judge stands in.'],
      senseless: ['Senseless', 'It answers with prose instead of verdicts. That counts as a failed call, and no verdict is guessed from it.'],
    },
  },
  queue: {
    name: 'Queue',
    about: 'Carries jobs from where they are submitted to where they are done.',
    absent: { elsewhere: 'The queue is a service elsewhere, not this server’s own.' },
    troubles: {
      twice: ['Delivers twice', 'Every message comes twice, as queues may do. A job is still done, charged and counted once: submit one and see.'],
    },
  },
};

/** The parts that are broken, in words: "Tables: frozen, Queue: delivers twice". */
export const brokenParts = (parts) => parts.filter(({ trouble }) => trouble !== 'none').map(({ part, trouble }) => `${PARTS[part].name}: ${PARTS[part].troubles[trouble][0].toLowerCase()}`).join(', ');

const clock = () => new Date().toTimeString().slice(0, 8);

function partCard(part) {
  const known = PARTS[part.part];
  const note = h('p', { class: 'small soft' });
  const title = h('h2', { id: `part-${part.part}` }, known.name);
  if (part.absent) {
    return { element: h('div', { class: 'card part' }, title, h('p', { class: 'soft small' }, known.about), h('p', { class: 'small' }, prose(known.absent[part.absent]))), update() {} };
  }
  const radios = part.troubles.map((trouble) => h('input', { type: 'radio', name: part.part, value: trouble, onchange: () => choose(trouble) }));
  const choices = h('div', { class: 'choices' }, part.troubles.map((trouble, n) => h('label', { class: trouble === 'none' ? '' : 'broken' }, radios[n], trouble === 'none' ? 'Works' : known.troubles[trouble][0])));
  async function choose(trouble) {
    try {
      await feed.set(part.part, trouble);
    } catch (error) {
      note.hidden = false;
      fill(note, error.message);
    }
  }
  const update = ({ trouble }) => {
    radios.forEach((radio) => (radio.checked = radio.value === trouble));
    note.hidden = trouble === 'none';
    fill(note, note.hidden ? '' : known.troubles[trouble][1]);
  };
  const element = h('div', { class: 'card part', role: 'group', 'aria-labelledby': title.id }, title, h('p', { class: 'soft small' }, known.about), choices, note);
  update(part);
  return { element, update };
}

/** Sends requests, and tells what becomes of them. */
class Pulse extends EventTarget {
  answers = [];
  running = false;
  #count = 0;
  #timer = null;

  async start() {
    this.running = true;
    // Both users are there before anything is broken; if it is already, the first answers show that.
    await Promise.allSettled(pulseUsers.map((user) => user.token()));
    if (!this.running) return;
    this.#beat();
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#beat(), EVERY);
  }

  stop() {
    this.running = false;
    clearInterval(this.#timer);
  }

  async #beat() {
    const n = (this.#count += 1);
    const user = pulseUsers[n % pulseUsers.length];
    // One post that is known, and one that nobody has seen.
    const posts = [{ id: 'known', text: 'Buy Bitcoin now, crypto is going to the moon' }, { id: 'new', text: `Post ${n} of ${Date.now()}: the weather, and some crypto` }];
    const since = performance.now();
    let answer;
    try {
      answer = await user.ask('posts', '/v1/classify', { json: { preference: 'Hide crypto', posts } });
    } catch (error) {
      answer = error.answer ?? { status: 0, body: { detail: error.message } };
    }
    const { results = [], degraded = [] } = answer.body ?? {};
    const outcome = answer.status !== 200 ? 'failed' : degraded.length ? 'degraded' : 'ok';
    this.answers = [...this.answers, { n, outcome, status: answer.status, ms: performance.now() - since, sources: results.map(({ source }) => source), degraded, error: answer.body?.error }].slice(-90);
    this.dispatchEvent(new Event('answer'));
  }
}

const said = ({ status, sources, degraded, error }) => {
  if (status === 0) return 'No answer at all.';
  if (status !== 200) return `${status} ${error ?? ''}`;
  const [known, fresh] = sources;
  return `200. Known post: ${known}. New post: ${fresh}.${degraded.length ? ` Degraded: ${degraded.join(', ')}.` : ''}`;
};

/** Submits a job of two posts and waits for it; what became of it, in words. */
async function job(user) {
  const used = async () => (await user.get('/v1/usage')).body.used;
  const posts = [{ id: '1', text: `Bitcoin, seen at ${Date.now()}` }, { id: '2', text: 'A loaf of bread' }];
  try {
    const before = await used();
    const since = performance.now();
    const submitted = await user.ask('posts', '/v1/jobs', { json: { type: 'classify', preference: 'Hide crypto', posts } });
    if (submitted.status !== 202) return `The job was answered with ${submitted.status} ${submitted.body.error ?? ''}.`;
    const { status } = await user.ended(submitted.body.jobId);
    return `A job of 2 posts is ${status} after ${duration(performance.now() - since)}, and ${(await used()) - before} posts were charged.`;
  } catch (error) {
    return `The job: ${error.message}`;
  }
}

function pulseCard() {
  const pulse = new Pulse();
  const bars = h('div', { class: 'pulse', role: 'img', 'aria-label': 'No request yet' });
  const story = h('ol', { class: 'story', 'aria-live': 'polite' });
  const empty = h('p', { class: 'soft small' }, 'Start the pulse, then break something. Each change in the answers is written down here.');
  const button = h('button', { type: 'button', class: 'primary', onclick: toggle }, 'Start the pulse');
  const numbers = h('p', { class: 'small soft', id: 'pulse-now' }, 'Not running.');
  let last = null;
  let brokenAt = null;
  let repairedAt = null;

  function toggle() {
    if (pulse.running) pulse.stop();
    else pulse.start();
    button.textContent = pulse.running ? 'Stop the pulse' : 'Start the pulse';
    button.setAttribute('aria-pressed', String(pulse.running));
  }

  function tell(text) {
    empty.hidden = true;
    story.prepend(h('li', {}, h('time', {}, clock()), h('span', {}, text)));
    while (story.children.length > 16) story.lastChild.remove();
  }

  pulse.addEventListener('answer', () => {
    const answer = pulse.answers.at(-1);
    const longest = Math.max(...pulse.answers.map(({ ms }) => ms), 50);
    fill(bars, pulse.answers.slice(-60).map(({ outcome, ms }) => {
      const bar = h('i', { class: outcome });
      bar.style.height = `${Math.max(6, (ms / longest) * 100)}%`;
      return bar;
    }));
    const count = (name) => pulse.answers.filter(({ outcome }) => outcome === name).length;
    const counted = `${count('ok')} as usual, ${count('degraded')} degraded, ${count('failed')} failed`;
    bars.setAttribute('aria-label', `The last ${pulse.answers.length} answers: ${counted}`);
    fill(numbers, `The last answer took ${duration(answer.ms)}. Of the last ${pulse.answers.length}: ${counted}.`);
    const text = said(answer);
    if (text === last) return;
    const recovered = repairedAt !== null && answer.outcome === 'ok' ? ` Recovered ${duration(performance.now() - repairedAt)} after the repair.` : '';
    if (recovered) repairedAt = null;
    last = text;
    tell(text + recovered);
  });

  const broken = () => {
    const now = brokenParts(feed.parts);
    if (now === brokenAt) return;
    if (now) tell(`Broken. ${now}.`);
    else if (brokenAt) {
      repairedAt = performance.now();
      tell('Repaired.');
    }
    // A dependency is probed by requests, so recovery shows in the next answers.
    last = now ? last : null;
    brokenAt = now;
  };
  feed.addEventListener('condition', broken);

  const submit = h('button', { type: 'button', onclick: async () => {
    submit.disabled = true;
    tell(await job(users[0]));
    submit.disabled = false;
  } }, 'Submit a job');

  return h('section', { class: 'card', 'aria-labelledby': 'pulse-title' },
    h('h2', { id: 'pulse-title' }, 'The effect on users'),
    h('p', { class: 'small soft' }, 'A request every second and a half, from two demo users in turn. Each asks about a post that is known and one that is new.'),
    h('div', { class: 'actions' }, button, feed.has('/v1/jobs') ? submit : null),
    bars, numbers, h('div', { class: 'below' }, empty, story));
}

/** The section. */
export function breakSection() {
  const cards = feed.parts.map(partCard);
  feed.addEventListener('condition', () => feed.parts.forEach((part, n) => cards[n]?.update(part)));
  const element = h('section', { 'aria-labelledby': 'break-title' },
    h('h1', { id: 'break-title' }, 'Break a dependency'),
    h('p', { class: 'lead' }, 'These switches make this server’s own stand-ins fail, as the real services can. Nothing outside this machine is touched.'),
    h('div', { class: 'split below' }, h('div', { class: 'parts' }, cards.map(({ element: card }) => card)), pulseCard()));
  return { element };
}
