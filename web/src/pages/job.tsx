// One job: its tasks as a grid, its output, its leases with blame and money.
import { useSearchParams } from 'wouter';

import { acting_for } from '../api/acting';
import { useChange, useLeases, useMarket, useOrder } from '../api/asks';
import { call, client, type Order, type Session } from '../api/client';
import { useMay } from '../api/may';
import { fallow_for } from '../lib/teams';
import { show_moment, show_seconds } from '../lib/time';
import { plural, tiers, wait_reasons } from '../lib/words';
import { AskButton, Card, Facts, Money, Page, Tabs } from '../parts/basics';
import { ExtendButton } from '../parts/extend';
import { LogView } from '../parts/log_view';
import { Empty, View } from '../parts/states';
import { Tasks } from '../parts/tasks';
import { LeaseTable } from './leases';
import { OrderBadge, Progress } from './jobs';

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
                  { id: 'tasks', name: 'Tasks', body: () => <Tasks order={data} can_reach={mine && may_run && !acting_for} can_rent={mine && may_run && session.scopes.includes('RENTER')} /> },
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

function LeasesOf({ order, currency }: { order: string; currency: string }) {
  const leases = useLeases({ order });
  return (
    <View of={leases} what="leases">
      {() => <LeaseTable rows={leases.rows ?? []} more={leases.more} currency={currency} empty={<Empty title="No lease yet">A lease begins when a device is free for a task.</Empty>} />}
    </View>
  );
}
