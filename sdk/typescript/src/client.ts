// One market's API. Thread of events: any; a Client may be shared.
import createClient, { type Client as Routes } from 'openapi-fetch';

import { error_of, unreachable } from './problem';
import type { components, paths } from './schema';
import { follow, type Follower } from './stream';

export type Schemas = components['schemas'];

// An answer holds every field, empty ones, too; only messages, moments and spans may be missing.
type MayMiss<K, V> = K extends `${string}_at` | 'at' | 'now' | 'proven' | 'deadline' ? true : NonNullable<V> extends readonly unknown[] ? false : NonNullable<V> extends object ? true : false;
export type Known<T> = T extends readonly (infer Item)[]
  ? Known<Item>[]
  : T extends object
    ? { [K in keyof T as MayMiss<K, T[K]> extends true ? never : K]-?: Known<NonNullable<T[K]>> } & {
        [K in keyof T as MayMiss<K, T[K]> extends true ? K : never]?: Known<NonNullable<T[K]>>;
      }
    : T;

export interface ClientOptions {
  url?: string; // "https://market.example:8470", with or without a slash after it; default: where the page came from
  key?: string; // an API key, "fk_..."; default: the session of the browser
  team?: string; // the account to act for as its member; default: the key's or session's own
  fetch?: typeof fetch;
}

const unanswered_max = 100;

export class Client {
  // Typed by path: `client.routes.GET('/v1/orders/{order}', { params: { path: { order } } })`.
  readonly routes: Routes<paths>;
  private readonly headers: Record<string, string>;
  private readonly url: string;
  // Mutating calls carry an idempotency key, and the same one again for as long as the same call was not
  // answered: what was sent twice, or again after a lost answer, is carried out once. Two calls that say the
  // same and are both meant while the first is unanswered need keys of their own (new_key, as the header
  // Idempotency-Key).
  private readonly unanswered = new Map<string, string>(); // key, by call

  constructor(private readonly options: ClientOptions = {}) {
    this.headers = { ...(options.key ? { Authorization: `Bearer ${options.key}` } : {}), ...(options.team ? { 'Fallow-Team': options.team } : {}) };
    this.url = (options.url ?? '').replace(/\/+$/, '');
    const ask = options.fetch ?? fetch;
    this.routes = createClient<paths>({ baseUrl: this.url || '/', headers: this.headers, credentials: 'same-origin', fetch: (request) => ask(request) });
    this.routes.use({
      onRequest: ({ request }) => this.with_key(request),
      onResponse: ({ request, response }) => {
        if (response.status >= 500) return; // perhaps it was carried out all the same
        const key = request.headers.get('Idempotency-Key');
        for (const [asked, known] of this.unanswered) if (known === key) this.unanswered.delete(asked);
      },
    });
  }

  // The answer of a route, or an ApiError thrown.
  async call<T>(asked: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<Known<T>> {
    let answer;
    try {
      answer = await asked;
    } catch (error) {
      if (error instanceof DOMException && error.name === 'AbortError') throw error;
      throw unreachable();
    }
    if (!answer.response.ok) throw error_of(answer.error, answer.response.status);
    return answer.data as Known<T>;
  }

  // A stream of the API ("/v1/events", "/v1/orders/7/logs?follow=true"), resumed after drops; begins behind
  // the event with `last_id`. Gives out the function that closes it.
  follow(path: string, follower: Follower, last_id = ''): () => void {
    return follow(this.url + path, follower, { headers: this.headers, fetch: this.options.fetch, last_id });
  }

  static new_key(): string {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  }

  private async with_key(request: Request): Promise<Request> {
    if (request.method === 'GET' || request.headers.has('Idempotency-Key')) return request;
    // Artifacts: their digest says what they are, and they may be larger than memory.
    if (!/^application\/json\b/.test(request.headers.get('Content-Type') ?? 'application/json')) return request;
    const asked = `${request.method} ${request.url} ${await request.clone().text()}`;
    const key = this.unanswered.get(asked) ?? Client.new_key();
    this.unanswered.set(asked, key);
    if (this.unanswered.size > unanswered_max) this.unanswered.delete(this.unanswered.keys().next().value as string);
    request.headers.set('Idempotency-Key', key);
    return request;
  }
}

