// The TypeScript client against a real server: client.js URL. Networks that lose answers stand between the two.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { ClearView, ClearViewError, readLimits } from '../../examples/typescript/out/clearview.js';

const [url] = process.argv.slice(2);
const memory = () => {
  let kept;
  return { load: async () => kept, save: async (credentials) => void (kept = credentials), get: () => kept };
};
const POSTS = [{ id: '1', text: 'Buy Bitcoin now, crypto is going to the moon' }, { id: '2', text: 'Bread' }];
const none = async () => {};

// The first request registers the device; the answer says what is left.
const keep = memory();
const client = new ClearView(url, keep);
const first = await client.classify('Hide crypto', POSTS, true);
assert.deepEqual(first.results.map(({ label }) => label), ['HIDE', 'ALLOW']);
assert.match(first.results[0].reason, /crypto/);
assert.equal(client.limits.daily.left, 998);
assert.ok(client.limits.burst.quota >= client.limits.burst.left);

// A token that ends soon is refreshed, once for all requests that wait for it.
const before = keep.get();
await keep.save({ ...before, endsAt: Date.now() + 1000 });
let refreshes = 0;
const counting = new ClearView(url, keep, { fetch: (input, init) => ((refreshes += String(input).endsWith('/refresh')), fetch(input, init)) });
await Promise.all([counting.usage(), counting.usage(), counting.usage()]);
assert.equal(refreshes, 1);
assert.notEqual(keep.get().refreshToken, before.refreshToken);
assert.equal((await counting.usage()).used, 2);

// A session that has ended: the same device registers again with its secret, and is the same user.
await keep.save({ ...keep.get(), accessToken: 'gone', refreshToken: 'gone' });
assert.equal((await new ClearView(url, keep).usage()).used, 2);

// Answers that get lost: the request is sent again with its key, and charged once.
for (const lost of [1, 2]) {
  let left = lost;
  const flaky = new ClearView(url, keep, {
    wait: none,
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      if (String(input).includes('/v1/classify') && left-- > 0) throw new TypeError('the network went away');
      return response;
    },
  });
  const used = (await flaky.usage()).used;
  await flaky.classify('Hide crypto', POSTS);
  assert.equal((await flaky.usage()).used, used + 2, `${lost} lost`);
}

// A wait that the service asks for is kept; one that nobody would sit through is not.
for (const [retryAfterMs, waits] of [[1500, [1500]], [60_000, []]]) {
  const slept = [];
  let refusals = 1;
  const busy = new ClearView(url, keep, {
    wait: async (ms) => void slept.push(ms),
    fetch: async (input, init) =>
      String(input).includes('/v1/classify') && refusals-- > 0
        ? new Response(JSON.stringify({ error: 'RATE_LIMIT_EXCEEDED', detail: 'busy', retryable: true, retryAfterMs }), { status: 429 })
        : fetch(input, init),
  });
  const asked = busy.classify('Hide crypto', POSTS);
  if (waits.length) await asked;
  else await assert.rejects(asked, (error) => error instanceof ClearViewError && error.code === 'RATE_LIMIT_EXCEEDED');
  assert.deepEqual(slept, waits);
}

// A mistake is no reason to ask again, and says where it is.
let sent = 0;
const strict = new ClearView(url, keep, { fetch: (input, init) => ((sent += String(input).includes('/v1/classify')), fetch(input, init)) });
await assert.rejects(strict.classify('', POSTS), (error) => error.status === 400 && error.code === 'INVALID_REQUEST' && error.correlationId.length > 0);
assert.equal(sent, 1);

// Captures keep the interval that the service dictates.
const file = (name) => new Blob([readFileSync(new URL(name, import.meta.url))], { type: 'image/png' });
const stop = new AbortController();
const slept = [];
const levels = [];
const watcher = new ClearView(url, keep, { wait: async (ms) => void slept.push(ms) });
await watcher.watch(async () => file('screen.png'), 'phone-1', ({ level, nextCaptureMs }) => {
  levels.push([level, nextCaptureMs]);
  if (levels.length === 3) stop.abort();
}, stop.signal);
assert.deepEqual(levels, Array(3).fill([0, 5000]));
assert.deepEqual(slept, [5000, 5000]);

const headers = new Headers({ 'ratelimit-policy': '"burst";q=50;w=60, "daily";q=1000;w=86400', ratelimit: '"burst";r=12;t=7, "daily";r=340;t=30211' });
assert.deepEqual(readLimits(headers), { burst: { quota: 50, left: 12, seconds: 7 }, daily: { quota: 1000, left: 340, seconds: 30211 } });
console.log('client: as it should be');
