// The TypeScript client (sdk/typescript) against a server that drops, doubles and refuses.
import { describe, expect, it } from 'vitest';

import { ApiError, Client, follow } from 'fallow';

type Answer = (request: Request) => Promise<Response> | Response;
const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } });
function client_of(answers: Answer[]) {
  const seen: Request[] = [];
  const ask = (async (request: Request) => {
    seen.push(request);
    return answers[Math.min(seen.length, answers.length) - 1]!(request);
  }) as typeof fetch;
  return { client: new Client({ url: 'https://market.example', key: 'fk_1', fetch: ask }), seen };
}

describe('the client', () => {
  it('asks with its key and gives out the answer', async () => {
    const { client, seen } = client_of([() => json({ id: '7', name: 'alice' })]);
    const account = await client.call(client.routes.GET('/v1/account'));
    expect(account.name).toBe('alice');
    expect(seen[0]!.url).toBe('https://market.example/v1/account');
    expect(seen[0]!.headers.get('Authorization')).toBe('Bearer fk_1');
    expect(seen[0]!.headers.has('Idempotency-Key')).toBe(false);
  });
  it('throws problems with their code, and its own where there is none', async () => {
    const failing = async (answer: Answer) => {
      const { client } = client_of([answer]);
      return client.call(client.routes.GET('/v1/account')).catch((error: unknown) => error as ApiError);
    };
    expect(await failing(() => json({ code: 'no_match', status: 409, detail: 'none' }, 409))).toMatchObject({ code: 'no_match', status: 409, message: 'none' });
    expect(await failing(() => new Response('<html>', { status: 502 }))).toMatchObject({ code: 'garbled', status: 502 });
    expect(await failing(() => Promise.reject(new TypeError('fetch failed')))).toMatchObject({ code: 'unreachable' });
  });
  it('sends the same call under the same key until it was answered', async () => {
    const down: Answer = () => Promise.reject(new TypeError('dropped'));
    const { client, seen } = client_of([down, () => json({ code: 'busy', status: 503 }, 503), () => json({ id: '1' }), () => json({ id: '2' })]);
    const place = (name: string) => client.call(client.routes.POST('/v1/orders', { body: { name } })).catch(() => null);
    await place('a');
    await place('a');
    await place('a');
    await place('a');
    const keys = seen.map((request) => request.headers.get('Idempotency-Key'));
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(keys.slice(0, 3)).toEqual([keys[0], keys[0], keys[0]]);
    expect(keys[3], 'a new call after an answer').not.toBe(keys[0]);
    await place('b');
    expect(seen[4]!.headers.get('Idempotency-Key')).not.toBe(keys[3]);
  });
  it('resumes a stream where it broke off', async () => {
    const asked: (string | null)[] = [];
    const texts = ['id: 1\ndata: {"n":1}\n\nid: 2\ndata: {"n":2}\n\n', 'id: 3\ndata: {"n":3}\n\nevent: end\ndata: {}\n\n'];
    const ask = (async (_: string, init: RequestInit) => {
      asked.push(new Headers(init.headers).get('Last-Event-ID'));
      return new Response(texts[asked.length - 1]);
    }) as unknown as typeof fetch;
    const got: unknown[] = [];
    const error = await new Promise((done) => follow('/v1/events', { on_event: (data) => got.push((data as { n: number }).n), on_end: done }, { fetch: ask }));
    expect(error).toBeNull();
    expect(got).toEqual([1, 2, 3]);
    expect(asked).toEqual([null, '2']);
  });
});
