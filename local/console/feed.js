// The stream of the server: its traffic each second, and the condition of everything it depends on.

const HISTORY = 120;
const REQUESTS = 100;

class Feed extends EventTarget {
  seconds = [];
  requests = [];
  minute = null;
  total = null;
  condition = null;
  description = null;
  live = false;

  open() {
    const source = new EventSource('/console/events');
    source.addEventListener('start', ({ data }) => {
      this.description = JSON.parse(data);
      this.seconds = [];
      this.requests = [];
      this.#say('start');
      this.#set(true);
    });
    source.addEventListener('traffic', ({ data }) => {
      const { seconds, minute, total, requests } = JSON.parse(data);
      this.seconds = [...this.seconds, ...seconds].slice(-HISTORY);
      this.requests = [...requests.reverse(), ...this.requests].slice(0, REQUESTS);
      Object.assign(this, { minute, total });
      this.#say('traffic');
    });
    source.addEventListener('condition', ({ data }) => {
      this.condition = JSON.parse(data);
      this.#say('condition');
    });
    source.addEventListener('error', () => this.#set(false));
  }

  get parts() {
    return this.condition?.parts ?? this.description?.parts ?? [];
  }

  has(route) {
    return this.description?.routes.includes(route) ?? false;
  }

  /** Gives a part a trouble, or ends it. */
  async set(part, trouble) {
    const response = await fetch('/console/faults', {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ part, trouble }),
    });
    const body = await response.json();
    if (!response.ok) throw new Error(body.detail);
    this.description = body;
    if (this.condition) this.condition = { ...this.condition, parts: body.parts };
    this.#say('condition');
  }

  #set(live) {
    this.live = live;
    this.#say('live');
  }

  #say(name) {
    this.dispatchEvent(new Event(name));
  }
}

export const feed = new Feed();
