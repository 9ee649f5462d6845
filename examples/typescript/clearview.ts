// A client of ClearView in one file without dependencies: for browsers, Node 18 or newer, Deno, Bun, React Native.
// Copy it into your app. It registers the device once, keeps its tokens and refreshes them, asks again where that helps
// and nowhere else, and says what is left of every limit.

/** What a device keeps. Losing it makes the device a new user. */
export interface Credentials {
  deviceId: string;
  recoverySecret: string;
  accessToken?: string;
  refreshToken?: string;
  /** When the access token ends, in milliseconds since 1970. */
  endsAt?: number;
}

/** Where a device keeps it: the key chain of a phone, `localStorage`, a file. */
export interface Keep {
  load(): Promise<Credentials | undefined>;
  save(credentials: Credentials): Promise<void>;
}

export interface Post {
  id: string;
  text: string;
}

export interface Verdict {
  id: string;
  label: 'ALLOW' | 'HIDE';
  score: number;
  source: 'model' | 'cache' | 'stale' | 'local' | 'default';
  failedOpen: boolean;
  reason?: string;
  matched?: string;
}

export interface Usage {
  tier: string;
  used: number;
  limit: number;
  remaining: number;
  resetAt: string;
}

export interface Classified {
  results: Verdict[];
  usage?: Usage;
  degraded: string[];
}

export interface Finding {
  id: string;
  level: 0 | 1 | 2 | 3;
  label: 'safe' | 'suggestive' | 'nudity' | 'explicit';
  flagged: boolean;
  score: number;
  categories: Record<string, number>;
  source: 'model' | 'local' | 'cache' | 'similar' | 'stale' | 'default';
  failedOpen: boolean;
  /** When the next capture is due, in milliseconds from now. */
  nextCaptureMs: number;
  degraded: string[];
}

/** One limit as the answer told it: the quota, what is left of it, and the seconds until more is. */
export interface Limit {
  quota: number;
  left: number;
  seconds: number;
}

/** An answer that is no success. `code` is what to switch on. */
export class ClearViewError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly retryable: boolean,
    readonly retryAfterMs: number | undefined,
    /** Give it to the operator, who finds the request by it. */
    readonly correlationId: string | undefined,
    /** When a device may capture again, where captures were refused. */
    readonly nextCaptureMs?: number,
  ) {
    super(message);
  }
}

const hex = (bytes: number) =>
  Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, '0')).join('');

/** Reads `RateLimit-Policy: "burst";q=50;w=60` and `RateLimit: "burst";r=12;t=7` into limits by name. */
export function readLimits(headers: Headers): Record<string, Limit> {
  const members = (name: string) =>
    (headers.get(name) ?? '').split(',').flatMap((member) => {
      const found = /^\s*"([^"]+)"(.*)$/.exec(member);
      if (!found) return [];
      const values = Object.fromEntries(found[2]!.split(';').filter(Boolean).map((pair) => pair.trim().split('=') as [string, string]));
      return [[found[1]!, values] as const];
    });
  const limits: Record<string, Limit> = {};
  for (const [name, { q }] of members('ratelimit-policy')) limits[name] = { quota: Number(q), left: Number(q), seconds: 0 };
  for (const [name, { r, t }] of members('ratelimit')) limits[name] = { quota: limits[name]?.quota ?? Number(r), left: Number(r), seconds: Number(t) };
  return limits;
}

export interface Options {
  /** Sends a request; the platform's own by default. */
  fetch?: typeof fetch;
  /** Waits; a test may not want to. */
  wait?: (ms: number) => Promise<void>;
  /** The most times that one request is sent. */
  attempts?: number;
}

/** The interval of captures while the service names none, in milliseconds. */
const UNKNOWN_INTERVAL = 15_000;

/** The longest wait that a person may still be there for, in milliseconds. */
const LONGEST_WAIT = 10_000;

export class ClearView {
  /** The limits of the last answer, by name: `ip`, `burst`, `daily`. */
  limits: Record<string, Limit> = {};
  #signingIn: Promise<string> | undefined;
  readonly #fetch: typeof fetch;
  readonly #wait: (ms: number) => Promise<void>;
  readonly #attempts: number;

  constructor(
    private readonly url: string,
    private readonly keep: Keep,
    options: Options = {},
  ) {
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init));
    this.#wait = options.wait ?? ((ms) => new Promise((done) => setTimeout(done, ms)));
    this.#attempts = options.attempts ?? 3;
  }

  /** Judges up to 50 posts under a preference. Show posts that failed open: nobody could judge them. */
  classify(preference: string, posts: Post[], explain = false): Promise<Classified> {
    return this.#ask(`/v1/classify${explain ? '?explain=true' : ''}`, JSON.stringify({ preference, posts }), 'application/json');
  }

  /** Looks at a picture of a screen: JPEG, PNG or WebP of at most 4 MiB. `device` tells the screens of a user apart. */
  detect(image: Blob, device: string, application = 'app'): Promise<Finding> {
    const query = new URLSearchParams({ application, device });
    return this.#ask(`/v1/detect?${query}`, image, image.type);
  }

  /** Captures as often as the service asks for, until `stop` is aborted, and hands on what it finds. */
  async watch(capture: () => Promise<Blob>, device: string, found: (finding: Finding) => void, stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      let wait = UNKNOWN_INTERVAL;
      try {
        const finding = await this.detect(await capture(), device);
        wait = finding.nextCaptureMs;
        if (!stop.aborted) found(finding);
      } catch (error) {
        // Not judged is not flagged. The next capture says what was missed.
        if (!(error instanceof ClearViewError)) throw error;
        wait = error.nextCaptureMs ?? error.retryAfterMs ?? UNKNOWN_INTERVAL;
      }
      if (!stop.aborted) await this.#wait(wait);
    }
  }

  /** What was used today, of each meter. Free of charge. */
  usage(): Promise<{ used: number; remaining: number; meters: Record<string, { used: number; limit: number; remaining: number }> }> {
    return this.#send('GET', '/v1/usage');
  }

  /** A request that is charged once, however often it has to be sent: each attempt has the same key. */
  async #ask<T>(path: string, body: BodyInit, type: string): Promise<T> {
    const headers = { 'content-type': type, 'idempotency-key': hex(16) };
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#send<T>('POST', path, body, headers);
      } catch (error) {
        const wait = worthWaiting(error, attempt);
        if (attempt >= this.#attempts || wait === undefined) throw error;
        await this.#wait(wait);
      }
    }
  }

  async #send<T>(method: string, path: string, body?: BodyInit, headers: Record<string, string> = {}): Promise<T> {
    const once = async (token: string) =>
      this.#fetch(this.url + path, { method, headers: { ...headers, authorization: `Bearer ${token}` }, ...(body === undefined ? {} : { body }) });
    let response = await once(await this.#token());
    if (response.status === 401) response = await once(await this.#token(true));
    this.limits = readLimits(response.headers);
    if (!response.ok) throw await problem(response);
    return (await response.json()) as T;
  }

  /** The access token. A new one is fetched half a minute before it ends, by one request for all that wait. */
  async #token(refused = false): Promise<string> {
    const kept = await this.keep.load();
    if (!refused && kept?.accessToken && Date.now() < (kept.endsAt ?? 0) - 30_000) return kept.accessToken;
    this.#signingIn ??= this.#signIn(kept).finally(() => (this.#signingIn = undefined));
    return this.#signingIn;
  }

  async #signIn(kept: Credentials | undefined): Promise<string> {
    const device = kept ?? { deviceId: hex(16), recoverySecret: hex(32) };
    // Kept before it is sent: if the answer is lost, the same device registers again as the same user.
    if (!kept) await this.keep.save(device);
    if (device.refreshToken) {
      const response = await this.#post('/v1/auth/refresh', { refreshToken: device.refreshToken });
      if (response.ok) return this.#store(device, response);
      if (response.status !== 401) throw await problem(response);
      // The session has ended, or the token was used elsewhere. The device is still known by its secret.
    }
    const { deviceId, recoverySecret } = device;
    const response = await this.#post('/v1/auth/register', { deviceId, recoverySecret });
    if (!response.ok) throw await problem(response);
    return this.#store(device, response);
  }

  async #store(device: Credentials, response: Response): Promise<string> {
    const answer = (await response.json()) as { accessToken: string; refreshToken: string; expiresIn: number };
    const { accessToken, refreshToken } = answer;
    await this.keep.save({ ...device, accessToken, refreshToken, endsAt: Date.now() + answer.expiresIn * 1000 });
    return accessToken;
  }

  #post(path: string, body: unknown): Promise<Response> {
    return this.#fetch(this.url + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  }
}

/** How long to wait before the same request is sent again; undefined if that is no use. */
function worthWaiting(error: unknown, attempt: number): number | undefined {
  const backOff = 250 * 2 ** attempt * (0.5 + Math.random() / 2);
  // No answer at all: it may have been lost on its way back, which the idempotency key makes harmless.
  if (!(error instanceof ClearViewError)) return backOff;
  if (!error.retryable) return undefined;
  const wait = error.retryAfterMs ?? backOff;
  return wait <= LONGEST_WAIT ? wait : undefined;
}

async function problem(response: Response): Promise<ClearViewError> {
  const body = (await response.json().catch(() => ({}))) as { error?: string; detail?: string; retryable?: boolean; retryAfterMs?: number; nextCaptureMs?: number };
  return new ClearViewError(
    response.status,
    body.error ?? 'UNKNOWN',
    body.detail ?? `The answer was ${response.status}.`,
    body.retryable ?? response.status >= 500,
    body.retryAfterMs,
    response.headers.get('x-correlation-id') ?? undefined,
    body.nextCaptureMs,
  );
}
