import { describe, expect, it } from 'vitest';

import { seconds_in, spans_of, times_words } from '../src/lib/spans';
import { show_moment } from '../src/lib/time';

const at = (second: number) => new Date(Date.UTC(2026, 10, 22, 10, 0, second)).toISOString();
const now = Date.parse(at(300));

describe("a task's time", () => {
  const first = { attempt: 1, placed_at: at(0), started_at: at(5), ended_at: at(65) };
  it('is getting ready, running, and what lies between', () => {
    const spans = spans_of([first, { attempt: 2, placed_at: at(80), started_at: at(90) }], now);
    expect(spans).toEqual([
      { kind: 'starting', seconds: 5 },
      { kind: 'running', seconds: 60 },
      { kind: 'between', seconds: 15 },
      { kind: 'starting', seconds: 10 },
      { kind: 'running', seconds: 210 },
    ]);
    expect([seconds_in(spans, 'running'), seconds_in(spans, 'starting'), seconds_in(spans, 'between')]).toEqual([270, 15, 15]);
  });
  it('has no running where none began, and no hole that is not known to be one', () => {
    expect(spans_of([{ attempt: 1, placed_at: at(0), ended_at: at(7) }], now)).toEqual([{ kind: 'starting', seconds: 7 }]);
    expect(spans_of([{ attempt: 1, placed_at: at(290) }], now)).toEqual([{ kind: 'starting', seconds: 10 }]);
    expect(spans_of([first, { attempt: 3, placed_at: at(200), started_at: at(200), ended_at: at(210) }], now).map((span) => span.kind)).toEqual(['starting', 'running', 'running']);
    // A viewer's clock that is behind the market's.
    expect(spans_of([{ attempt: 1, placed_at: at(400) }], now)).toEqual([]);
    expect(spans_of([], now)).toEqual([]);
  });
  it('is told in words', () => {
    expect(times_words(first)).toBe(`Placed ${show_moment(at(0))}, started 5 s later, ended ${show_moment(at(65))} after running 1 min.`);
    expect(times_words({ ...first, ended_at: undefined })).toBe(`Placed ${show_moment(at(0))}, started 5 s later.`);
    expect(times_words({ attempt: 1, placed_at: at(0), ended_at: at(7) })).toBe(`Placed ${show_moment(at(0))}, ended ${show_moment(at(7))} before it had started.`);
    expect(times_words({ attempt: 1 })).toBe('');
  });
});
