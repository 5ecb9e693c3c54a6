// The failed tasks of a job by who is to blame, each group to be run again.
import { Link } from 'wouter';

import type { Order } from '../api/client';
import { cannot_again, failed_by_blame, type FailedGroup } from '../lib/again';
import { blame_names, end_reasons, plural } from '../lib/words';

const named_max = 20;

// What to do before they run again.
function advice({ blame, tasks }: FailedGroup): string {
  const they = tasks.length === 1 ? 'It' : 'They';
  if (blame === 'BLAME_RENTER') return `${they} will fail again as ${tasks.length === 1 ? 'it is' : 'they are'}, unless the command, its input or what it asked for changes first.`;
  return `Nothing of yours failed: ${they.toLowerCase()} ran out of attempts.`;
}

// `can_rent`: the viewer may run it again.
export function FailedTasks({ order, can_rent }: { order: Order; can_rent: boolean }) {
  const groups = failed_by_blame(order.tasks);
  if (groups.length === 0) return null;
  const listed = groups.reduce((sum, group) => sum + group.tasks.length, 0);
  return (
    <section aria-label="Failed tasks" className="stack">
      <h3>Failed, by who is to blame</h3>
      <ul className="plain-list">
        {groups.map((group) => {
          const cannot = cannot_again(order, group.tasks);
          return (
            <li key={group.blame}>
              <span>
                <strong>
                  {plural(group.tasks.length, 'task')}: {blame_names[group.blame]}
                </strong>{' '}
                ({group.tasks.slice(0, named_max).join(', ')}
                {group.tasks.length > named_max && ' …'})
                <br />
                <span className="muted">
                  {group.reasons.map(([reason, count]) => `${end_reasons[reason]}${group.reasons.length > 1 ? ` (${count})` : ''}. `)}
                  {advice(group)}
                </span>
              </span>
              {can_rent &&
                (cannot ? (
                  <span className="muted">{cannot}</span>
                ) : (
                  <Link className="plain" href={`/new?again=${order.id}&blame=${group.blame}`} aria-label={`Run again: ${plural(group.tasks.length, 'task')}, ${blame_names[group.blame]}`}>
                    Run again
                  </Link>
                ))}
            </li>
          );
        })}
      </ul>
      {listed < order.tasks_failed && <p className="hint">Of the first {order.tasks.length} tasks; {order.tasks_failed - listed} of the others failed, too.</p>}
    </section>
  );
}
