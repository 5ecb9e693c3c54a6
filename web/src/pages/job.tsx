// One job: its tasks as a grid, its output, its leases with blame and money.
import { useMemo, useState } from 'react';
import { Link, useSearchParams } from 'wouter';

import { acting_for } from '../api/acting';
import { useChange, useLeases, useMarket, useOrder, useTasks } from '../api/asks';
import { call, client, type Order, type Session, type Task } from '../api/client';
import { useMay } from '../api/may';
import { fallow_for } from '../lib/teams';
import { show_moment, show_seconds } from '../lib/time';
import { blame_names, end_reasons, plural, task_states, tiers, wait_reasons } from '../lib/words';
import { AskButton, Card, Facts, Money, Page, Tabs, type Tone, Badge } from '../parts/basics';
import { Attempts } from '../parts/attempts';
import { ExtendButton } from '../parts/extend';
import { Files } from '../parts/files';
import { LogView } from '../parts/log_view';
import { Empty, View } from '../parts/states';
import { LeaseTable } from './leases';
import { OrderBadge, Progress } from './jobs';

const task_tone: Record<string, Tone> = { WAITING: 'warn', LEASED: 'busy', DONE: 'good', FAILED: 'bad', TASK_STOPPED: 'calm' };
const tasks_shown_max = 1_000; // a page of the server's

export default function JobPage({ order: id, session }: { order: string; session: Session }) {
  const order = useOrder(id);
  const market = useMarket();
  const [address, set_address] = useSearchParams();
  const stop = useChange(() => call(client.POST('/v1/orders/{order}/stop', { params: { path: { order: id } }, body: {} as never })), ['orders', 'leases', 'wallet']);
  const currency = market.data?.currency ?? '';
  const mine = order.data?.account === session.account?.id;
  const may_run = useMay()('run');
  return (
    <Page
      title={order.data?.name || `Job ${id}`}
      lead={
        order.data && (
          <>
            <OrderBadge order={order.data} /> {order.data.name && `Job ${id}, `}begun {show_moment(order.data.created_at)}
            {!mine && ` · account ${order.data.account}`}
          </>
        )
      }
      actions={
        order.data?.state === 'OPEN' &&
        may_run && (
          <>
            {mine && session.scopes.includes('RENTER') && <ExtendButton order={id} />}
            <AskButton label="Stop" title="Stop this job?" danger action="Stop the job" act={() => stop.mutateAsync(undefined)}>
              <p>Running tasks are told to end and have a moment to save. What has been proven so far is charged; all that is left of the held money comes back.</p>
            </AskButton>
          </>
        )
      }
    >
      <View of={order} what="the job">
        {(data) => (
          <>
            <Card>
              <Facts
                of={[
                  ['Tasks', <Progress key="p" order={data} />],
                  data.waits_for !== 'WAIT_REASON_UNSPECIFIED' && ['Waits for', <WaitWords key="w" order={data} currency={currency} />],
                  ['Charged', <Money key="c" of={data.charged} currency={currency} />],
                  ['Held', <Money key="h" of={data.held} currency={currency} />],
                  ['A task may take', show_seconds(Number(data.requirements?.duration_us ?? 0) / 1e6)],
                  ['Budget', <Money key="b" of={data.budget} currency={currency} />],
                  ['Tier', data.deadline ? "the market's choice" : tiers[data.requirements?.tier ?? 'ON_DEMAND']],
                  data.deadline !== undefined && ['Done by', show_moment(data.deadline)],
                  (data.requirements?.nodes ?? 0) > 1 && ['Gangs', `of ${data.requirements!.nodes} nodes that start together`],
                  data.project !== '' && ['Counts for', `project ${data.project}`],
                  data.requirements?.query ? ['Offers', <code key="q">{data.requirements.query}</code>] : null,
                  secret_words(data) !== null && ['Secrets', <span key="s">{secret_words(data)}</span>],
                  data.rescued > 0 && ['Rescued', `${plural(data.rescued, 'attempt')} ended through no fault of yours and ran again`],
                  data.ended_at ? ['Took', show_seconds((Date.parse(data.ended_at) - Date.parse(data.created_at ?? data.ended_at)) / 1000)] : null,
                ]}
              />
              <details>
                <summary>What it runs</summary>
                <pre tabIndex={0} aria-label="Command">
                  {(data.workload?.command ?? []).join(' ').replace(/^sh -c /, '')}
                </pre>
              </details>
            </Card>
            <Card>
              <Tabs
                label="Parts of the job"
                selected={address.get('tab') ?? 'tasks'}
                select={(tab) => set_address({ tab }, { replace: true })}
                tabs={[
                  { id: 'tasks', name: 'Tasks', body: () => <Tasks order={data} can_reach={mine && may_run && !acting_for} /> },
                  { id: 'output', name: 'Output', body: () => <LogView path={`/v1/orders/${id}/logs`} name={data.name || `job-${id}`} show_task={data.tasks_total > 1} /> },
                  { id: 'leases', name: 'Leases and bills', body: () => <LeasesOf order={id} currency={currency} /> },
                ]}
              />
            </Card>
          </>
        )}
      </View>
    </Page>
  );
}

// What its tasks are handed by the renter's own program, which no browser can do for it.
function secret_words(order: Order) {
  const names = [...(order.workload?.secrets ?? []), ...(order.workload?.image_login ? ["the login of its image's registry"] : [])];
  if (names.length === 0) return null;
  return (
    <>
      {names.join(', ')}
      {order.state === 'OPEN' && (
        <>
          , from the <code>fallow run</code> that follows it, or <code>
            {fallow_for(acting_for)} secrets {order.id}
          </code>
        </>
      )}
    </>
  );
}

function WaitWords({ order, currency }: { order: Order; currency: string }) {
  return (
    <>
      {wait_reasons[order.waits_for]}
      {order.waits_for === 'WAITS_FOR_PRICE' && order.free_price_per_hour && (
        <>
          : <Money of={order.free_price_per_hour} /> an hour, where <Money of={order.price_per_hour_max} currency={currency} /> is the most
        </>
      )}
      {order.waits_for === 'WAITS_TO_RETRY' && order.retry_at && `, at ${show_moment(order.retry_at)}`}
    </>
  );
}

function Tasks({ order, can_reach }: { order: Order; can_reach: boolean }) {
  const [chosen, set_chosen] = useState<number | null>(null);
  const [first, set_first] = useState(0);
  const is_listed = Math.min(first + tasks_shown_max, order.tasks_total) <= order.tasks.length;
  const page = useTasks(order.id, first, tasks_shown_max, !is_listed);
  const tasks = useMemo(() => (is_listed ? order.tasks.slice(first, first + tasks_shown_max) : (page.data?.tasks ?? [])), [order.tasks, is_listed, first, page.data]);
  const task = tasks.find((one) => one.index === chosen) ?? (order.tasks.length === 1 ? order.tasks[0] : undefined);
  const turn = (to: number) => {
    set_first(to);
    set_chosen(null);
  };
  return (
    <div className="stack">
      {order.tasks.length > 1 && (
        <>
          <div className="grid-of-tasks" role="group" aria-label="Tasks">
            {tasks.map((one) => (
              <button
                key={one.index}
                type="button"
                className={`task ${task_tone[one.state]}`}
                aria-pressed={one.index === chosen}
                aria-label={`Task ${one.index}: ${task_states[one.state]}${one.node_name ? ` on ${one.node_name}` : ''}`}
                title={`${one.index}: ${task_states[one.state]}${one.node_name ? ` on ${one.node_name}` : ''}`}
                onClick={() => set_chosen(one.index)}
              >
                {order.tasks.length <= 200 ? one.index : ''}
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
          {order.tasks_total > tasks_shown_max && (
            <p className="row">
              <button type="button" disabled={first === 0} onClick={() => turn(first - tasks_shown_max)}>
                Earlier tasks
              </button>
              <span role="status">
                Tasks {first} to {Math.min(first + tasks_shown_max, order.tasks_total) - 1} of {order.tasks_total}
                {!is_listed && page.isError && ': they cannot be read just now'}
              </span>
              <button type="button" disabled={first + tasks_shown_max >= order.tasks_total} onClick={() => turn(first + tasks_shown_max)}>
                Later tasks
              </button>
            </p>
          )}
        </>
      )}
      {task ? <TaskBox order={order.id} task={task} can_reach={can_reach} /> : order.tasks.length > 1 ? <p className="hint">Choose a task to see how it goes.</p> : null}
    </div>
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

function LeasesOf({ order, currency }: { order: string; currency: string }) {
  const leases = useLeases({ order });
  return (
    <View of={leases} what="leases">
      {() => <LeaseTable rows={leases.rows ?? []} more={leases.more} currency={currency} empty={<Empty title="No lease yet">A lease begins when a device is free for a task.</Empty>} />}
    </View>
  );
}
