// Chats through real clients: chat.mjs openai|vercel HOST:PORT TOKEN. Prints what each scenario came to as JSON.
//
// The scenarios are in the order of the scripted provider's steps in tests/tests/requests/providers/chat_clients.rs.

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText } from "ai";
import OpenAI from "openai";

const ASSISTANT = "demo";
const QUESTION = "Grüße, 世界 and all";
// More bytes than a free user has tokens in a day.
const TOO_MUCH = "x".repeat(25_000);

const [client, address, token] = process.argv.slice(2);
const base = `http://${address}/v1`;

async function outcomes(scenarios, refusal) {
  const results = {};
  for (const [name, scenario] of Object.entries(scenarios)) {
    try {
      results[name] = await scenario();
    } catch (error) {
      results[name] = refusal(error);
    }
  }
  return results;
}

async function withOpenAi() {
  // A function, as apps have it whose tokens last 15 minutes.
  const client = new OpenAI({ baseURL: base, apiKey: async () => token, timeout: 30_000 });
  const stranger = new OpenAI({ baseURL: base, apiKey: "nobody", timeout: 30_000 });
  const messages = [{ role: "user", content: QUESTION }];
  const ask = (more = {}) => client.chat.completions.create({ model: ASSISTANT, messages, ...more });

  async function plain() {
    const reply = await ask();
    const [choice] = reply.choices;
    return {
      text: choice.message.content,
      finish: choice.finish_reason,
      tokens: reply.usage.completion_tokens > 0,
      request: Boolean(reply._request_id),
    };
  }

  async function streamed(more = {}) {
    let [text, finish, usage, ids] = ["", null, null, new Set()];
    for await (const chunk of await ask({ stream: true, ...more })) {
      ids.add(chunk.id);
      usage = chunk.usage ?? usage;
      for (const choice of chunk.choices) {
        text += choice.delta.content ?? "";
        finish = choice.finish_reason ?? finish;
      }
    }
    return { text, finish, usage: usage !== null, ids: ids.size };
  }

  async function hangUp() {
    for await (const chunk of await ask({ stream: true })) {
      if (chunk.choices[0]?.delta.content) break;
    }
    return "hung up";
  }

  return outcomes(
    {
      plain,
      streamed: () => streamed(),
      usage: () => streamed({ stream_options: { include_usage: true } }),
      cut: () => streamed(),
      retry: plain,
      hangUp,
      error: () => ask({ model: "gpt-5" }),
      tools: () => ask({ tools: [] }),
      stranger: () => stranger.models.list(),
      limit: () => ask({ messages: [{ role: "user", content: TOO_MUCH }] }),
      models: async () => (await client.models.list()).data.map((model) => model.id),
    },
    (error) => ({ error: error.constructor.name, status: error.status ?? null, code: error.code ?? null }),
  );
}

async function withVercel() {
  const clearview = createOpenAICompatible({ name: "clearview", baseURL: base, apiKey: token, includeUsage: true });

  async function plain(more = {}) {
    const reply = await generateText({ model: clearview(ASSISTANT), prompt: QUESTION, ...more });
    return { text: reply.text, finish: reply.finishReason, tokens: reply.usage.outputTokens > 0 };
  }

  async function streamed() {
    let [text, finish, usage, failure] = ["", null, null, null];
    // Errors come as parts; the handler would print them.
    const reply = streamText({ model: clearview(ASSISTANT), prompt: QUESTION, onError: () => {} });
    for await (const part of reply.fullStream) {
      if (part.type === "text-delta") text += part.text;
      if (part.type === "error") failure = part.error;
      if (part.type === "finish") [finish, usage] = [part.finishReason, part.totalUsage];
    }
    if (failure) throw failure;
    return { text, finish, usage: usage.outputTokens > 0 };
  }

  async function hangUp() {
    const stop = new AbortController();
    const reply = streamText({ model: clearview(ASSISTANT), prompt: QUESTION, abortSignal: stop.signal, onError: () => {} });
    for await (const text of reply.textStream) {
      if (text) break;
    }
    stop.abort();
    return "hung up";
  }

  return outcomes(
    {
      plain: () => plain(),
      streamed,
      usage: streamed,
      cut: streamed,
      retry: () => plain(),
      hangUp,
      error: () => plain({ model: clearview("gpt-5") }),
      limit: () => plain({ prompt: TOO_MUCH }),
    },
    (error) => {
      const cause = error.lastError ?? error;
      const code = cause.data?.error?.code ?? null;
      return { error: cause.name ?? typeof cause, status: cause.statusCode ?? null, code };
    },
  );
}

const clients = { openai: withOpenAi, vercel: withVercel };
console.log(JSON.stringify(await clients[client]()));
process.exit(0);
