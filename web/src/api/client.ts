// The API, typed by its own description: schema.d.ts is made from docs/openapi.json.
import createClient from 'openapi-fetch';

import type { components, paths } from './schema';

export type Schemas = components['schemas'];

// An answer holds every field, empty ones, too; only messages, moments and spans may be missing.
type MayMiss<K, V> = K extends `${string}_at` | 'at' | 'now' | 'proven' ? true : NonNullable<V> extends readonly unknown[] ? false : NonNullable<V> extends object ? true : false;
export type Known<T> = T extends readonly (infer Item)[]
  ? Known<Item>[]
  : T extends object
    ? { [K in keyof T as MayMiss<K, T[K]> extends true ? never : K]-?: Known<NonNullable<T[K]>> } & {
        [K in keyof T as MayMiss<K, T[K]> extends true ? K : never]?: Known<NonNullable<T[K]>>;
      }
    : T;

export type Offer = Known<Schemas['OfferView']>;
export type Order = Known<Schemas['OrderView']>;
export type Task = Known<Schemas['TaskView']>;
export type Lease = Known<Schemas['LeaseView']>;
export type Quote = Known<Schemas['QuoteView']>;
export type Price = Known<Schemas['PriceView']>;
export type NodeOfMarket = Known<Schemas['NodeView']>;
export type Wallet = Known<Schemas['WalletView']>;
export type Transfer = Known<Schemas['TransferView']>;
export type Market = Known<Schemas['MarketView']>;
export type Session = Known<Schemas['SessionView']>;
export type Problem = Schemas['Problem'];

// Whatever is not a success. `code` is stable; "unreachable" and "garbled" are the browser's own.
export class ApiError extends Error {
  readonly code: string;
  readonly status: number;
  constructor(readonly problem: Problem) {
    super(problem.detail ?? 'something went wrong');
    this.code = problem.code ?? '';
    this.status = problem.status ?? 0;
  }
}

export const unreachable = () => new ApiError({ code: 'unreachable', status: 0, detail: 'The server cannot be reached. It may be restarting; the console tries again by itself.' });

export function error_of(problem: unknown, status: number): ApiError {
  const known = problem && typeof problem === 'object' && 'code' in problem;
  return new ApiError(known ? (problem as Problem) : { code: 'garbled', status, detail: `The server answered ${status} in words that the console does not know.` });
}

export const client = createClient<paths>({ baseUrl: '/', credentials: 'same-origin', fetch: (request) => fetch(request) });

// Mutating calls carry an idempotency key, and the same one again for as long as the same call was not
// answered: a press that was sent twice, or again after a lost answer, is carried out once.
const unanswered = new Map<string, string>(); // key, by call
const UNANSWERED_MAX = 100;

client.use({
  async onRequest({ request }) {
    if (request.method === 'GET' || request.headers.has('Idempotency-Key')) return request;
    const asked = `${request.method} ${request.url} ${await request.clone().text()}`;
    const key = unanswered.get(asked) ?? new_key();
    unanswered.set(asked, key);
    if (unanswered.size > UNANSWERED_MAX) unanswered.delete(unanswered.keys().next().value as string);
    request.headers.set('Idempotency-Key', key);
    return request;
  },
  onResponse({ request, response }) {
    if (response.status >= 500) return; // perhaps it was carried out all the same
    const key = request.headers.get('Idempotency-Key');
    for (const [asked, known] of unanswered) if (known === key) unanswered.delete(asked);
  },
});

export function new_key(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

// The answer, or an ApiError thrown.
export async function call<T>(asked: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<Known<T>> {
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
