// A job's tasks: each a square of a grid, and how the chosen one goes.
import { useState } from 'react';
import { Link } from 'wouter';

import { useTasks } from '../api/asks';
import type { Order, Task } from '../api/client';
import { show_moment } from '../lib/time';
import { blame_names, end_reasons, task_states } from '../lib/words';
import { Attempts } from './attempts';
import { Badge, Facts, type Tone } from './basics';
import { FailedTasks } from './failed_tasks';
import { Files } from './files';
import { View } from './states';

const task_tone: Record<string, Tone> = { WAITING: 'warn', LEASED: 'busy', DONE: 'good', FAILED: 'bad', TASK_STOPPED: 'calm' };
const tasks_shown_max = 1_000; // a page of the server's

// `can_reach`: into the sandbox of one that runs. `can_rent`: the viewer may run failed ones again.
export function Tasks({ order, can_reach, can_rent }: { order: Order; can_reach: boolean; can_rent: boolean }) {
  const [chosen, set_chosen] = useState<number | null>(null);
  const [first, set_first] = useState(0);
  const end = Math.min(first + tasks_shown_max, order.tasks_total);
  const is_listed = end <= order.tasks.length;
  const page = useTasks(order.id, first, tasks_shown_max, !is_listed);
  const turn = (to: number) => {
    set_first(to);
    set_chosen(null);
  };
  const grid = (tasks: Task[]) => <TaskGrid order={order} tasks={tasks} chosen={chosen} choose={set_chosen} can_reach={can_reach} />;
  return (
    <div className="stack">
      {order.tasks_total > tasks_shown_max && (
        <p className="row">
          <button type="button" disabled={first === 0} onClick={() => turn(first - tasks_shown_max)}>
            Earlier tasks
          </button>
          <span role="status">
            Tasks {first} to {end - 1} of {order.tasks_total}
          </span>
          <button type="button" disabled={end >= order.tasks_total} onClick={() => turn(first + tasks_shown_max)}>
            Later tasks
          </button>
        </p>
      )}
      {is_listed ? (
        grid(order.tasks.slice(first, end))
      ) : (
        <View of={page} what="tasks">
          {(data) => grid(data.tasks)}
        </View>
      )}
      <FailedTasks order={order} can_rent={can_rent} />
    </div>
  );
}

function TaskGrid({ order, tasks, chosen, choose, can_reach }: { order: Order; tasks: Task[]; chosen: number | null; choose: (task: number) => void; can_reach: boolean }) {
  const is_only = order.tasks_total === 1;
  const task = is_only ? tasks[0] : tasks.find((one) => one.index === chosen);
  const words = (one: Task) => `${task_states[one.state]}${one.node_name ? ` on ${one.node_name}` : ''}`;
  return (
    <>
      {!is_only && (
        <>
          <div className="grid-of-tasks" role="group" aria-label="Tasks">
            {tasks.map((one) => (
              <button
                key={one.index}
                type="button"
                className={`task ${task_tone[one.state]}`}
                aria-pressed={one.index === chosen}
                aria-label={`Task ${one.index}: ${words(one)}`}
                title={`${one.index}: ${words(one)}`}
                onClick={() => choose(one.index)}
              >
                {tasks.length <= 200 ? one.index : ''}
              </button>
            ))}
          </div>
          <p className="legend">
            {(['WAITING', 'LEASED', 'DONE', 'FAILED', 'TASK_STOPPED'] as const).map((state) => (
              <span key={state}>
                <i className={`task ${task_tone[state]}`} aria-hidden="true" /> {task_states[state]}
              </span>
            ))}
          </p>
        </>
      )}
      {task ? <TaskBox order={order.id} task={task} can_reach={can_reach} /> : !is_only && <p className="hint">Choose a task to see how it goes.</p>}
    </>
  );
}

function TaskBox({ order, task, can_reach }: { order: string; task: Task; can_reach: boolean }) {
  const over = task.last_reason !== 'END_REASON_UNSPECIFIED';
  return (
    <div className="box">
      <h3>
        Task {task.index} <Badge tone={task_tone[task.state] ?? 'calm'}>{task_states[task.state]}</Badge>
      </h3>
      <Facts
        of={[
          task.node_name ? ['Node', `${task.node_name} (${task.node})`] : null,
          task.state === 'LEASED' && ['Lease', <Link key="l" href={`/leases/${task.lease}`}>{task.lease}{can_reach && ': open a terminal'}</Link>],
          ['Attempts', String(task.attempts)],
          task.checkpoint_at && task.state !== 'DONE' ? [task.state === 'WAITING' ? 'Goes on from the checkpoint of' : 'Last checkpoint', show_moment(task.checkpoint_at)] : null,
          over && ['Last ending', `${end_reasons[task.last_reason]}${task.exit_code ? ` (${task.exit_code})` : ''}`],
          over && ['To blame', blame_names[task.last_blame]],
          task.detail ? ['In words', task.detail] : null,
        ]}
      />
      {(task.attempts > 1 || task.checkpoint_at) && (
        <>
          <h4>The task's way</h4>
          <Attempts order={order} task={task.index} />
        </>
      )}
      {task.output_manifest ? (
        <>
          <h4>Files it left</h4>
          <Files manifest={task.output_manifest} />
        </>
      ) : (
        task.state === 'DONE' && <p className="hint">It left no files.</p>
      )}
    </div>
  );
}
