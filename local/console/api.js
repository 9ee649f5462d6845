// The API as an app uses it: demo users who register by themselves, keep their tokens and refresh them.

const KEPT = 'clearview.users';

const random = (bytes) => [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, '0')).join('');

function load() {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) ?? {};
  } catch {
    return {};
  }
}

function save(name, user) {
  try {
    localStorage.setItem(KEPT, JSON.stringify({ ...load(), [name]: user }));
  } catch {
    // Private windows may refuse; the user then lasts as long as the page.
  }
}

async function post(path, body) {
  const response = await fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  return { status: response.status, body: await response.json().catch(() => ({})) };
}

/** An answer that brought no token. */
export class SignInError extends Error {
  constructor(answer) {
    super(answer.body.detail ?? `The registration was answered with ${answer.status}.`);
    this.answer = answer;
  }
}

/** A user of the demo. `standing` is the last that the API said of the limits, `{burst, daily}` by meter; `latest` is the meter of the last request. */
export class User extends EventTarget {
  constructor(name) {
    super();
    this.name = name;
    this.standing = {};
    this.latest = null;
    this.kept = load()[name];
    this.signing = null;
  }

  /** Becomes somebody new, with a new day. */
  forget() {
    this.kept = undefined;
    this.standing = {};
    this.latest = null;
    this.dispatchEvent(new Event('change'));
  }

  async token() {
    if (this.kept && Date.now() < this.kept.endsAt) return this.kept.accessToken;
    // Requests at the same time share one sign-in: a refresh token works once.
    this.signing ??= this.#signIn().finally(() => (this.signing = null));
    return this.signing;
  }

  async #signIn() {
    if (this.kept?.refreshToken) {
      const refreshed = await post('/v1/auth/refresh', { refreshToken: this.kept.refreshToken });
      if (refreshed.status === 200) return this.#keep(refreshed.body);
      if (refreshed.status !== 401) throw new SignInError(refreshed);
    }
    const device = { deviceId: random(16), recoverySecret: random(32) };
    const registered = await post('/v1/auth/register', device);
    if (registered.status !== 201) throw new SignInError(registered);
    return this.#keep(registered.body);
  }

  #keep(answer) {
    this.kept = {
      userId: answer.userId,
      accessToken: answer.accessToken,
      refreshToken: answer.refreshToken,
      endsAt: Date.now() + (answer.expiresIn - 30) * 1000,
    };
    save(this.name, this.kept);
    this.dispatchEvent(new Event('change'));
    return this.kept.accessToken;
  }

  /** Sends a request. The answer has its body, its limits, its duration as seen from here, and itself as a curl command. */
  async ask(meter, path, { json, body, type, signal } = {}) {
    let answer = await this.#send(path, { json, body, type, signal });
    if (answer.status === 401 && this.kept) {
      // The server may have started again with new keys.
      this.kept.endsAt = 0;
      answer = await this.#send(path, { json, body, type, signal });
    }
    Object.assign(answer, { meter, path });
    if (answer.limits) {
      this.standing[meter] = answer.limits;
      this.latest = meter;
      this.dispatchEvent(new Event('change'));
    }
    return answer;
  }

  /** Reads what a streamed reply has left of the day: its headers came before it, when the most that it could use was set aside. */
  async settle(answer) {
    const { body } = await this.get('/v1/usage');
    const left = body.meters?.[answer.meter]?.remaining;
    if (left === undefined || !answer.limits?.daily) return;
    answer.limits.daily.left = left;
    this.dispatchEvent(new Event('change'));
  }

  /** Asks for a job until it has ended: its last state. */
  async ended(jobId) {
    for (;;) {
      const { body } = await this.get(`/v1/jobs/${jobId}`);
      if (body.status !== 'queued') return body;
      await new Promise((done) => setTimeout(done, 100));
    }
  }

  /** Reads something. */
  async get(path) {
    const read = async (token) => fetch(path, { headers: { authorization: `Bearer ${token}` } });
    let response = await read(await this.token());
    if (response.status === 401) {
      this.kept.endsAt = 0;
      response = await read(await this.token());
    }
    return { status: response.status, body: parse(await response.text()) };
  }

  async #send(path, { json, body, type, signal }) {
    const token = await this.token();
    const id = `console-${random(8)}`;
    const headers = { authorization: `Bearer ${token}`, 'content-type': type ?? 'application/json', 'x-correlation-id': id };
    const since = performance.now();
    const response = await fetch(path, { method: 'POST', headers, body: body ?? JSON.stringify(json), signal });
    const text = response.headers.get('content-type')?.startsWith('text/event-stream') ? null : await response.text();
    return {
      status: response.status,
      response,
      body: text === null ? null : parse(text),
      ms: performance.now() - since,
      id,
      limits: limits(response.headers),
      curl: curl(path, { json, type }, token),
    };
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return { detail: text };
  }
}

/** The limits of an answer: for each policy its quota, what is left, and the seconds until then. */
export function limits(headers) {
  const policies = headers.get('ratelimit-policy');
  if (!policies) return null;
  const found = {};
  const read = (text, use) => {
    for (const part of text.split(',')) {
      const [name, ...parameters] = part.trim().split(';');
      const values = Object.fromEntries(parameters.map((parameter) => parameter.split('=')));
      use(JSON.parse(name), values);
    }
  };
  read(policies, (name, { q }) => (found[name] = { quota: Number(q) }));
  read(headers.get('ratelimit') ?? '', (name, { r, t }) => Object.assign((found[name] ??= {}), { left: Number(r), seconds: Number(t) }));
  return found;
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** The request as a command, with the token and without: a token fills a screen. */
function curl(path, { json, type }, token) {
  const data = json === undefined ? `--data-binary @picture.${(type ?? '').split('/')[1]}` : `-d ${quoted(JSON.stringify(json))}`;
  const line = (bearer) =>
    `curl -s ${quoted(location.origin + path)} \\\n  -H "Authorization: Bearer ${bearer}" \\\n  -H 'Content-Type: ${type ?? 'application/json'}' \\\n  ${data}`;
  return { whole: line(token), shown: line(`${token.slice(0, 10)}…`) };
}

/** The server's own record of a request, for its cost and its parts; null if it is not among the last hundred. */
export async function recordOf(id) {
  const response = await fetch(`/console/requests/${id}`);
  return response.ok ? response.json() : null;
}

/** The users of the demo: two for people, two for the page's own pulse. */
export const users = ['Ada', 'Ben'].map((name) => new User(name));
export const pulseUsers = ['Pulse 1', 'Pulse 2'].map((name) => new User(name));
