// Server-sent events over fetch: EventSource shows neither the status nor the problem of a stream
// that was refused, and would not let us say where to go on.
import { ApiError, error_of, unreachable } from './problem';

export interface SseEvent {
  event: string;
  data: string;
  id: string; // empty: none
}

// Bytes as they come in, events out.
export class SseParser {
  last_id = ''; // also of an id that came without an event
  private rest = '';
  private event = '';
  private data: string[] = [];
  private id = '';

  feed(text: string): SseEvent[] {
    const events: SseEvent[] = [];
    this.rest += text;
    for (;;) {
      const end = this.rest.search(/\r\n|\n|\r(?!$)/);
      if (end < 0) return events;
      const line = this.rest.slice(0, end);
      this.rest = this.rest.slice(end + (this.rest.startsWith('\r\n', end) ? 2 : 1));
      if (line === '') {
        if (this.id) this.last_id = this.id;
        if (this.data.length > 0) events.push({ event: this.event || 'message', data: this.data.join('\n'), id: this.id });
        this.event = this.id = '';
        this.data = [];
        continue;
      }
      const colon = line.indexOf(':');
      if (colon === 0) continue; // a comment: the connection lives
      const name = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (name === 'event') this.event = value;
      else if (name === 'data') this.data.push(value);
      else if (name === 'id') this.id = value;
    }
  }
}

export interface Follower {
  on_event: (data: unknown, event: SseEvent) => void;
  // The stream stands (true), or was lost and is being resumed (false).
  on_state?: (connected: boolean) => void;
  // It ended for good: by the server's word (null), or a problem that trying again does not help, such as an answer that
  // is no stream of events.
  on_end?: (error: ApiError | null) => void;
  // Events may have been missed: begin with what is now.
  on_gap?: () => void;
}

const silence_ms_max = 40_000; // the server sends a comment every 15 s
const wait_ms_min = 300;
const wait_ms_max = 5_000;

interface Way {
  headers?: Record<string, string>;
  fetch?: typeof fetch;
  last_id?: string; // of the event behind which it begins
}

// Follows until closed, resuming after drops. Gives out the function that closes it.
export function follow(path: string, follower: Follower, way: Way = {}): () => void {
  const closing = new AbortController();
  void run(path, follower, way, closing.signal);
  return () => closing.abort();
}

async function run(path: string, follower: Follower, way: Way, closed: AbortSignal): Promise<void> {
  const place = { id: way.last_id ?? '' }; // where to go on
  let wait_ms = wait_ms_min;
  let stood = false;
  while (!closed.aborted) {
    const outcome = await read_once(path, place, way, closed, (event) => {
      wait_ms = wait_ms_min;
      follower.on_event(JSON.parse(event.data), event);
    }, () => {
      stood = true;
      follower.on_state?.(true);
    });
    if (closed.aborted) return;
    if (outcome === 'ended') return follower.on_end?.(null);
    if (outcome instanceof ApiError) {
      if (outcome.code === 'events_gone') {
        place.id = '';
        path = without_start(path);
        follower.on_gap?.();
      } else if (is_final(outcome, stood)) {
        return follower.on_end?.(outcome);
      }
    }
    follower.on_state?.(false);
    await pause(wait_ms * (0.7 + 0.6 * Math.random()), closed);
    wait_ms = Math.min(wait_ms * 2, wait_ms_max);
  }
}

// A page in the place of a stream: where there has been a stream before, a proxy tells so that the market is away.
function is_final(error: ApiError, stood: boolean): boolean {
  if (error.status >= 200 && error.status < 300) return !stood;
  return error.status >= 400 && error.status < 500 && error.status !== 408 && error.status !== 429;
}

// "/v1/events?after=7" begins behind what is gone.
function without_start(path: string): string {
  const [route, query = ''] = path.split('?');
  const left = query.split('&').filter((one) => one !== '' && !one.startsWith('after='));
  return left.length > 0 ? `${route}?${left.join('&')}` : route!;
}

// One connection, until it ends one way or the other.
async function read_once(path: string, place: { id: string }, way: Way, closed: AbortSignal, on_event: (event: SseEvent) => void, on_open: () => void): Promise<'ended' | ApiError> {
  const stop = new AbortController();
  const give_up = () => stop.abort();
  closed.addEventListener('abort', give_up);
  let silence = setTimeout(give_up, silence_ms_max);
  try {
    const headers: Record<string, string> = { ...way.headers, Accept: 'text/event-stream' };
    if (place.id) headers['Last-Event-ID'] = place.id;
    const response = await (way.fetch ?? fetch)(path, { headers, credentials: 'same-origin', cache: 'no-store', signal: stop.signal });
    if (!response.ok || !response.body) {
      return error_of(await response.json().catch(() => null), response.status);
    }
    // What stands between may answer in the market's place, and says 200 to it.
    const kind = (response.headers.get('Content-Type') ?? 'an answer without a type').split(';')[0]!.trim();
    if (kind.toLowerCase() !== 'text/event-stream') {
      return new ApiError({ code: 'garbled', status: response.status, detail: `The server has sent no stream of events but ${kind}: is this a Fallow market?` });
    }
    on_open();
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    const parser = new SseParser();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return unreachable();
      clearTimeout(silence);
      silence = setTimeout(give_up, silence_ms_max);
      for (const event of parser.feed(decoder.decode(value, { stream: true }))) {
        if (closed.aborted) return unreachable(); // whoever closed it wants no more, read already or not
        if (event.event === 'end') return 'ended';
        if (event.event === 'error') return error_of(JSON.parse(event.data), 500);
        if (event.id) place.id = event.id;
        on_event(event);
      }
      if (parser.last_id) place.id = parser.last_id;
    }
  } catch {
    return unreachable();
  } finally {
    clearTimeout(silence);
    closed.removeEventListener('abort', give_up);
    stop.abort();
  }
}

function pause(ms: number, closed: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      closed.removeEventListener('abort', done);
      globalThis.removeEventListener?.('online', done);
      resolve();
    }
    closed.addEventListener('abort', done);
    globalThis.addEventListener?.('online', done);
  });
}
