// Where a task's time went, as a bar and in words.
import type { Lease } from '../api/client';
import { seconds_in, spans_of, type SpanKind } from '../lib/spans';
import { show_seconds } from '../lib/time';
import { useNow } from './states';

const kinds: [SpanKind, string, string][] = [
  ['starting', 'warn', 'getting ready'],
  ['running', 'busy', 'running'],
  ['between', 'rest', 'between attempts'],
];
const tone_of = (kind: SpanKind) => kinds.find(([one]) => one === kind)![1];

// `leases`: of one task, by attempt.
export function SpanBar({ leases }: { leases: Lease[] }) {
  const now = useNow(leases.some((lease) => !lease.ended_at) ? 1_000 : 3_600_000);
  const spans = spans_of(leases, now);
  if (spans.length === 0) return null;
  return (
    <div className="spans">
      <span className="progress-bar" aria-hidden="true">
        {spans.map((span, at) => (
          <i key={at} className={tone_of(span.kind)} style={{ flexGrow: span.seconds }} />
        ))}
      </span>
      <p className="legend">
        {kinds.map(([kind, tone, words]) => {
          const seconds = seconds_in(spans, kind);
          return (
            seconds > 0 && (
              <span key={kind}>
                <i className={`task ${tone}`} aria-hidden="true" /> {words} {show_seconds(seconds)}
              </span>
            )
          );
        })}
      </p>
    </div>
  );
}
