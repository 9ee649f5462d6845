// Try, chat: replies as they are written, in OpenAI's form.

import { field, fill, h, prose } from './dom.js';
import { command, facts, failure, problem } from './results.js';

/** Reads the events of a stream: the data of each, until `[DONE]` or the end. */
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const parts = text.split('\n\n');
    text = parts.pop();
    for (const part of parts) {
      const data = part.split('\n').filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trim()).join('\n');
      if (data === '[DONE]') return;
      if (data) yield JSON.parse(data);
    }
  }
}

const SOURCES = { model: 'a model, asked just now', cache: 'remembered, charged as the first time', replay: 'a replay, free of charge' };

/** The panel; `user` gives the one who asks. */
export function chatPanel(user) {
  const assistant = h('select', { id: 'assistant' });
  const message = h('textarea', { rows: 3, id: 'message', required: true, value: 'What helps a sourdough starter through a cold week?' });
  // Nothing can be sent before the assistants are known.
  const send = h('button', { class: 'primary', disabled: true }, 'Send');
  const stop = h('button', { type: 'button', hidden: true, onclick: () => under?.abort() }, 'Stop');
  const talk = h('ol', { class: 'talk', 'aria-live': 'polite', 'aria-label': 'Conversation' });
  const empty = h('div', { class: 'empty' }, h('strong', {}, 'Nothing said yet'), 'The reply appears as it is written.');
  const after = h('div', {});
  let messages = [];
  let under = null;

  const say = (role, text) => {
    const line = h('span', {}, text);
    talk.append(h('li', { class: role }, h('b', {}, role === 'user' ? 'You' : assistant.value), line));
    return line;
  };

  async function ask() {
    const text = message.value.trim();
    if (!text) return;
    empty.hidden = true;
    messages.push({ role: 'user', content: text });
    say('user', text);
    message.value = '';
    [send.disabled, stop.hidden] = [true, false];
    under = new AbortController();
    fill(after);
    try {
      const json = { model: assistant.value, messages, stream: true, stream_options: { include_usage: true } };
      const answer = await user().ask('tokens', '/v1/chat/completions', { json, signal: under.signal });
      if (answer.status === 200) await reply(answer);
      else fill(after, problem(answer), facts(answer), command(answer.curl));
    } catch (error) {
      fill(after, error.name === 'AbortError' ? h('p', { class: 'soft small' }, 'Stopped. The server finishes the reply, and charges what was used.') : failure(error));
    } finally {
      [send.disabled, stop.hidden, under] = [false, true, null];
    }
  }

  async function reply(answer) {
    const line = say('assistant', '');
    let [text, usage, ended] = ['', null, false];
    const since = performance.now();
    let first = null;
    for await (const event of events(answer.response)) {
      if (event.error) {
        fill(after, h('div', { class: 'problem', role: 'alert' }, h('h3', {}, 'The reply was cut'), h('p', {}, event.error.message)));
        return;
      }
      const [choice] = event.choices ?? [];
      if (choice?.delta?.content) {
        first ??= performance.now() - since;
        line.textContent = text += choice.delta.content;
      }
      ended ||= Boolean(choice?.finish_reason);
      usage = event.usage ?? usage;
    }
    if (ended) messages.push({ role: 'assistant', content: text });
    await user().settle(answer);
    const from = answer.response.headers.get('x-clearview-source');
    fill(after,
      h('p', { class: 'small soft below' }, `From ${SOURCES[from] ?? from}.${usage ? ` ${usage.prompt_tokens} tokens read, ${usage.completion_tokens} written.` : ''}`),
      facts(answer), command(answer.curl));
  }

  const form = h('form', { class: 'card', onsubmit: (event) => (event.preventDefault(), ask()) },
    h('h2', {}, 'A message to an assistant'),
    h('div', {}, field('Assistant', assistant, 'Defined by the operator: its model, its prompt and its limits.'), field('Message', message)),
    h('div', { class: 'actions' }, send, stop, h('button', { type: 'button', class: 'quiet', onclick: () => ((messages = []), fill(talk), fill(after), (empty.hidden = false)) }, 'Start over')));
  const panel = h('div', { class: 'split' }, form, h('section', { class: 'card', 'aria-label': 'Chat' }, h('h2', {}, 'Conversation'), empty, talk, after));

  user().get('/v1/models').then(({ body }) => {
    const names = (body.data ?? []).map(({ id }) => id);
    fill(assistant, names.map((name) => h('option', {}, name)));
    send.disabled = names.length === 0;
    if (names.length === 0) {
      fill(empty, h('strong', {}, 'No assistant is configured'), prose('A chat needs a model. Start with `make demo`, with `--script`, or with `CLEARVIEW_ASSISTANTS`.'));
    }
  }, () => fill(empty, h('strong', {}, 'The assistants could not be read'), 'Load the page again once the server answers.'));
  return panel;
}
