// The TypeScript client (sdk/typescript) against a server that drops, doubles and refuses.
import { afterEach, describe, expect, it, vi } from 'vitest';

import { ApiError, Client, follow } from 'fallow';
import { follow as follow_of_console } from '../src/api/client';

type Answer = (request: Request) => Promise<Response> | Response;
const events = (body: BodyInit) => new Response(body, { headers: { 'Content-Type': 'text/event-stream' } });
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
  it('acts for a team where it is told so, in streams as well', async () => {
    const seen: (string | null)[] = [];
    const ask = (async (asked: Request | string, init?: RequestInit) => {
      seen.push((typeof asked === 'string' ? new Headers(init?.headers) : asked.headers).get('Fallow-Team'));
      return typeof asked === 'string' ? events('event: end\ndata: {}\n\n') : json({});
    }) as typeof fetch;
    for (const team of ['8192', undefined]) {
      const client = new Client({ url: 'https://market.example', key: 'fk_1', team, fetch: ask });
      await client.call(client.routes.GET('/v1/account'));
      await new Promise((done) => client.follow('/v1/events', { on_event: () => undefined, on_end: done }));
    }
    expect(seen).toEqual(['8192', '8192', null, null]);
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
      return events(texts[asked.length - 1]!);
    }) as unknown as typeof fetch;
    const got: unknown[] = [];
    const error = await new Promise((done) => follow('/v1/events', { on_event: (data) => got.push((data as { n: number }).n), on_end: done }, { fetch: ask }));
    expect(error).toBeNull();
    expect(got).toEqual([1, 2, 3]);
    expect(asked).toEqual([null, '2']);
  });
  it('resumes a stream where it began when nothing came before it broke off', async () => {
    const asked: (string | null)[] = [];
    const texts = ['id: 41\n\n', 'event: end\ndata: {}\n\n'];
    const ask = (async (_: string, init: RequestInit) => {
      asked.push(new Headers(init.headers).get('Last-Event-ID'));
      return events(texts[asked.length - 1]!);
    }) as unknown as typeof fetch;
    await new Promise((done) => follow('/v1/events', { on_event: () => undefined, on_end: done }, { fetch: ask }));
    expect(asked).toEqual([null, '41']);
  });
  it('begins with what is now when what it was to resume behind is gone', async () => {
    const asked: [string, string | null][] = [];
    const ask = (async (path: string, init: RequestInit) => {
      const last_id = new Headers(init.headers).get('Last-Event-ID');
      asked.push([path, last_id]);
      if (last_id || path.includes('after=')) return json({ code: 'events_gone', status: 410 }, 410);
      return events('event: end\ndata: {}\n\n');
    }) as unknown as typeof fetch;
    let gaps = 0;
    await new Promise((done) => follow('/v1/events?after=5&wide=true', { on_event: () => undefined, on_gap: () => (gaps += 1), on_end: done }, { fetch: ask, last_id: '7' }));
    expect(asked).toEqual([['/v1/events?after=5&wide=true', '7'], ['/v1/events?wide=true', null]]);
    expect(gaps).toBe(1);
  });
  it('takes no page for a stream of events, and does not ask for it again and again', async () => {
    const answers = [new Response('data: {"n":1}\n\n', { headers: { 'Content-Type': 'text/html; charset=utf-8' } }), new Response(new Blob(['data: {"n":1}\n\n']))];
    for (const answer of answers) {
      let asked = 0;
      const heard: unknown[] = [];
      const ask = (async () => {
        asked += 1;
        return answer;
      }) as unknown as typeof fetch;
      const error = await new Promise<ApiError | null>((done) => follow('/v1/events', { on_event: (data) => heard.push(data), on_state: (connected) => heard.push(connected), on_end: done }, { fetch: ask }));
      expect(error).toMatchObject({ code: 'garbled', status: 200 });
      expect([asked, heard]).toEqual([1, []]);
    }
    const typed = (async () => new Response('event: end\ndata: {}\n\n', { headers: { 'Content-Type': 'Text/Event-Stream;charset=utf-8' } })) as unknown as typeof fetch;
    expect(await new Promise((done) => follow('/v1/events', { on_event: () => undefined, on_end: done }, { fetch: typed }))).toBeNull();
  });
  it('waits for a market whose proxy shows a page in its place', async () => {
    const answers = [events('id: 1\ndata: {"n":1}\n\n'), new Response('<html>', { headers: { 'Content-Type': 'text/html' } }), events('id: 2\ndata: {"n":2}\n\nevent: end\ndata: {}\n\n')];
    const heard: unknown[] = [];
    let asked = 0;
    const ask = (async () => answers[(asked += 1) - 1]!) as unknown as typeof fetch;
    const error = await new Promise((done) => follow('/v1/events', { on_event: (data) => heard.push((data as { n: number }).n), on_end: done }, { fetch: ask }));
    expect([error, heard, asked]).toEqual([null, [1, 2], 3]);
  });
  it('closes a stream in the middle of what has come', async () => {
    const got: unknown[] = [];
    await new Promise<void>((done) => {
      const close = follow('/v1/events', {
        on_event: (data) => {
          got.push((data as { n: number }).n);
          close();
          setTimeout(done, 20);
        },
      }, { fetch: (async () => events('data: {"n":1}\n\ndata: {"n":2}\n\n')) as typeof fetch });
    });
    expect(got).toEqual([1]);
  });
  it('sends no key with what is no JSON, and reads no such body', async () => {
    const { client, seen } = client_of([() => json({})]);
    await client.call(client.routes.PUT('/v1/artifacts/{digest}' as never, { body: new Uint8Array(3), bodySerializer: (body: unknown) => body, headers: { 'Content-Type': 'application/octet-stream' } } as never));
    expect(seen[0]!.headers.has('Idempotency-Key')).toBe(false);
  });
  it('knows a market by its address with a slash, too', async () => {
    const urls: string[] = [];
    const market = new Client({ url: 'https://market.example/', fetch: (async (asked: Request | string) => {
      urls.push(typeof asked === 'string' ? asked : asked.url);
      return typeof asked === 'string' ? events('event: end\ndata: {}\n\n') : json({});
    }) as typeof fetch });
    await market.call(market.routes.GET('/v1/account'));
    await new Promise((done) => market.follow('/v1/events', { on_event: () => undefined, on_end: done }));
    expect(urls).toEqual(['https://market.example/v1/account', 'https://market.example/v1/events']);
  });
});

describe("the console's own streams", () => {
  afterEach(() => void vi.unstubAllGlobals());
  it('go on where they broke off, ask no cache, and end when they are closed', async () => {
    const asked: RequestInit[] = [];
    vi.stubGlobal('fetch', (async (_: string, init: RequestInit = {}) => {
      asked.push(init);
      if (asked.length === 1) return events('id: 8\ndata: {"n":1}\n\n');
      return events(new ReadableStream({ start: () => undefined })); // stands, silent
    }) as typeof fetch);
    const close = follow_of_console('/v1/events', { on_event: () => undefined });
    await vi.waitFor(() => expect(asked).toHaveLength(2), { timeout: 5_000 });
    const headers = new Headers(asked[1]!.headers);
    expect([headers.get('Last-Event-ID'), headers.get('Accept'), asked[1]!.cache]).toEqual(['8', 'text/event-stream', 'no-store']);
    expect(asked[1]!.signal!.aborted).toBe(false);
    close();
    expect(asked[1]!.signal!.aborted).toBe(true);
  });
});
