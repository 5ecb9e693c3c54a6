// A task's time, from its leases: getting ready, running, and what lay between two attempts.
import type { Lease } from '../api/client';
import { show_moment, show_seconds } from './time';

export type SpanKind = 'starting' | 'running' | 'between';
export interface Span {
  kind: SpanKind;
  seconds: number;
}

type Times = Pick<Lease, 'attempt' | 'placed_at' | 'started_at' | 'ended_at'>;
const at_ms = (text: string | undefined, otherwise: number) => (text ? Date.parse(text) : otherwise);

// In order, without empty ones. `leases`: of one task, by attempt; `now`: in milliseconds, of the one that has not ended.
// What lay between two attempts with others that are not listed is left out.
export function spans_of(leases: Times[], now: number): Span[] {
  const spans: Span[] = [];
  const add = (kind: SpanKind, from: number, until: number) => until > from && spans.push({ kind, seconds: (until - from) / 1000 });
  leases.forEach((lease, at) => {
    const former = leases[at - 1];
    const placed = at_ms(lease.placed_at, now);
    const ended = at_ms(lease.ended_at, now);
    if (former?.ended_at && former.attempt === lease.attempt - 1) add('between', Date.parse(former.ended_at), placed);
    const started = at_ms(lease.started_at, ended);
    add('starting', placed, started);
    add('running', started, ended);
  });
  return spans;
}

export const seconds_in = (spans: Span[], kind: SpanKind) => spans.filter((span) => span.kind === kind).reduce((sum, span) => sum + span.seconds, 0);

// "Placed 10:00:00, started 5 s later, ended 10:12:05 after running 12 min."
export function times_words({ placed_at, started_at, ended_at }: Times): string {
  if (!placed_at) return '';
  const words = [`Placed ${show_moment(placed_at)}`];
  const seconds = (from: string, until: string) => show_seconds(Math.max(0, Date.parse(until) - Date.parse(from)) / 1000);
  if (started_at) words.push(`started ${seconds(placed_at, started_at)} later`);
  if (ended_at) words.push(`ended ${show_moment(ended_at)} ${started_at ? `after running ${seconds(started_at, ended_at)}` : 'before it had started'}`);
  return `${words.join(', ')}.`;
}
