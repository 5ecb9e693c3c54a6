import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { follow_in_sight } from '../src/api/in_sight';

// A page that can be hidden, and a server whose streams stand until they are closed.
describe('a stream of a page', () => {
  const page = Object.assign(new EventTarget(), { hidden: false });
  const show = (shown: boolean) => {
    page.hidden = !shown;
    page.dispatchEvent(new Event('visibilitychange'));
  };
  let streams: { last_id: string | null; signal: AbortSignal; say: (text: string) => void }[] = [];
  beforeEach(() => {
    streams = [];
    page.hidden = false;
    vi.stubGlobal('document', page);
    vi.stubGlobal('fetch', (async (_: string, init: RequestInit) => {
      let say!: (text: string) => void;
      const body = new ReadableStream({ start: (controller) => void (say = (text) => controller.enqueue(new TextEncoder().encode(text))) });
      streams.push({ last_id: new Headers(init.headers).get('Last-Event-ID'), signal: init.signal!, say });
      return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } });
    }) as typeof fetch);
  });
  afterEach(() => void vi.unstubAllGlobals());

  it('is closed while the page is hidden, and goes on where it stood', async () => {
    const got: unknown[] = [];
    let gaps = 0;
    const close = follow_in_sight('/v1/orders/7/logs', { on_event: (data) => got.push(data), on_gap: () => (gaps += 1) });
    await vi.waitFor(() => expect(streams).toHaveLength(1));
    streams[0]!.say('id: 1-5\ndata: 1\n\n');
    await vi.waitFor(() => expect(got).toEqual([1]));
    show(false);
    expect(streams[0]!.signal.aborted).toBe(true);
    show(true);
    show(true);
    await vi.waitFor(() => expect(streams).toHaveLength(2));
    expect(streams[1]!.last_id).toBe('1-5');
    streams[1]!.say('data: 2\n\n');
    await vi.waitFor(() => expect(got).toEqual([1, 2]));
    expect(gaps).toBe(0);
    close();
    expect(streams[1]!.signal.aborted).toBe(true);
    show(false);
    show(true);
    expect(streams).toHaveLength(2);
  });
  it('says so when nothing tells from where it goes on', async () => {
    let gaps = 0;
    const close = follow_in_sight('/v1/events', { on_event: () => undefined, on_gap: () => (gaps += 1) });
    await vi.waitFor(() => expect(streams).toHaveLength(1));
    show(false);
    show(true);
    await vi.waitFor(() => expect(gaps).toBe(1));
    expect(streams[1]!.last_id).toBeNull();
    close();
  });
  it('is not opened before the page is seen, nor again after its end', async () => {
    page.hidden = true;
    let ended = false;
    follow_in_sight('/v1/leases/1/logs', { on_event: () => undefined, on_end: () => (ended = true) });
    expect(streams).toHaveLength(0);
    show(true);
    await vi.waitFor(() => expect(streams).toHaveLength(1));
    streams[0]!.say('event: end\ndata: {}\n\n');
    await vi.waitFor(() => expect(ended).toBe(true));
    show(false);
    show(true);
    expect(streams).toHaveLength(1);
  });
});
