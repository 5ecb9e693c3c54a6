// A task's way from node to node, and what each attempt began with and saved.
import { Link } from 'wouter';

import { useAttempts } from '../api/asks';
import { useEvent } from '../api/live';
import { move_words, node_text, origin_words, saved_words } from '../lib/attempts';
import { times_words } from '../lib/spans';
import { plural } from '../lib/words';
import { LeaseBadge } from './lease_badge';
import { SpanBar } from './span_bar';
import { View } from './states';

// `here`: the lease that is shown already.
export function Attempts({ order, task, here }: { order: string; task: number; here?: string }) {
  const attempts = useAttempts(order, task);
  const look = (told: unknown) => {
    const event = told as { order?: string; task?: number; lease?: string };
    const is_ours = event.order === undefined ? attempts.data?.some(({ lease }) => lease.id === event.lease) : event.order === order && (event.task ?? 0) === task;
    if (is_ours) void attempts.refetch();
  };
  useEvent('lease_placed', look);
  useEvent('lease_changed', look);
  useEvent('checkpoint_taken', look);
  useEvent('lease_ended', look);
  return (
    <View of={attempts} what="attempts">
      {(list) => {
        const missing = (list[list.length - 1]?.lease.attempt ?? 0) - list.length;
        return (
          <>
            <SpanBar leases={list.map((one) => one.lease)} />
            <ol className="plain-list attempts" aria-label="Attempts">
              {list.map((one) => (
                <li key={one.lease.id} aria-current={one.lease.id === here ? 'true' : undefined}>
                  <div className="row">
                    <span>
                      {one.lease.id === here ? <strong>Attempt {one.lease.attempt}</strong> : <Link href={`/leases/${one.lease.id}`}>Attempt {one.lease.attempt}</Link>} on {node_text(one.lease)}
                      {one.lease.id === here && ', this lease'}
                    </span>
                    <LeaseBadge lease={one.lease} />
                  </div>
                  <span className="muted">{[move_words(one), times_words(one.lease), origin_words(one), saved_words(one.lease)].filter(Boolean).join(' ')}</span>
                </li>
              ))}
            </ol>
            {missing > 0 && <p className="hint">{plural(missing, 'attempt')} of this task {missing === 1 ? 'is' : 'are'} not listed here.</p>}
            {list.some((one) => one.from) && <p className="hint">Where a checkpoint could not be read, the task began anew and its output says so.</p>}
          </>
        );
      }}
    </View>
  );
}
