// One lease: how it went, whom its end is charged to, its output and its bill.
import { lazy, Suspense, useState } from 'react';
import { Link } from 'wouter';

import { useChange, useLease, useMarket } from '../api/asks';
import { call, client, type Lease, type Session } from '../api/client';
import { useMay } from '../api/may';
import { seconds_of, show_moment, show_seconds } from '../lib/time';
import { end_reasons, money_of_end, tiers } from '../lib/words';
import { AskButton, Card, Facts, Money, Page, save_file } from '../parts/basics';
import { Attempts } from '../parts/attempts';
import { Boundary } from '../parts/boundary';
import { CheckpointBox } from '../parts/checkpoint';
import { ExtendButton } from '../parts/extend';
import { Files } from '../parts/files';
import { LeaseBadge } from '../parts/lease_badge';
import { LogView } from '../parts/log_view';
import { Reach } from '../parts/reach';
import { ReceiptView } from '../parts/receipt_view';
import { SpanBar } from '../parts/span_bar';
import { ErrorBox, Loading, View } from '../parts/states';
import { TelemetryCard } from '../parts/telemetry_card';
import type { Verdict } from '../receipt/verify';

const Meter = lazy(() => import('../parts/meter'));

export default function LeasePage({ lease: id, session }: { lease: string; session: Session }) {
  const lease = useLease(id);
  const market = useMarket();
  const stop = useChange(() => call(client.POST('/v1/leases/{lease}/stop', { params: { path: { lease: id } }, body: {} as never })), ['leases', 'orders', 'wallet']);
  const currency = market.data?.currency ?? '';
  const is_renter = lease.data?.account === session.account?.id || session.scopes.includes('OPERATOR');
  // Its renter's alone: not the operator's, and not the provider's.
  const may_run = useMay()('run');
  const can_reach = lease.data?.account === session.account?.id && session.scopes.includes('RENTER') && may_run;
  return (
    <Page
      title={`Lease ${id}`}
      lead={
        lease.data && (
          <>
            <LeaseBadge lease={lease.data} /> Task {lease.data.task} of <Link href={`/jobs/${lease.data.order}`}>job {lease.data.order}</Link> on {lease.data.node_name || `node ${lease.data.node}`}
          </>
        )
      }
      actions={
        lease.data &&
        lease.data.state !== 'ENDED' &&
        is_renter &&
        may_run && (
          <>
            {can_reach && <ExtendButton order={lease.data.order} />}
            <AskButton label="Stop" title="Stop this lease?" danger action="Stop the lease" act={() => stop.mutateAsync(undefined)}>
              <p>Its task is stopped, too. What has been proven so far is charged.</p>
            </AskButton>
          </>
        )
      }
    >
      <View of={lease} what="the lease">
        {(data) => (
          <>
            <Card title="How it went">
              <Timeline lease={data} />
              <SpanBar leases={[data]} />
              {data.state === 'ENDED' && (
                <div className={`box ${data.blame === 'BLAME_NONE' ? 'good' : data.reason === 'STOPPED' ? '' : 'warn'}`}>
                  <strong>
                    {end_reasons[data.reason]}
                    {data.exit_code !== 0 && ` (exit code ${data.exit_code})`}.
                  </strong>
                  <p>{money_of_end(data)}</p>
                  {data.detail && <p className="muted">{data.detail}</p>}
                </div>
              )}
              <Facts
                of={[
                  ['Proven time', show_seconds(seconds_of(data.proven))],
                  data.state !== 'ENDED' && ['Paid for up to', show_seconds(seconds_of(data.time_max))],
                  seconds_of(data.slowed) > 0 && ['Slowed down, of it', show_seconds(seconds_of(data.slowed))],
                  ['Price an hour', <Money key="p" of={data.price_per_hour} currency={currency} />],
                  data.egress_gb > 0 && ['Sent', `${data.egress_gb.toFixed(3)} GB${data.egress_gb_max > 0 ? ` of at most ${data.egress_gb_max}` : ''}`],
                  data.egress_gb_max > 0 && ['Of the charge, for what was sent', <Money key="e" of={data.egress_charged} currency={currency} />],
                  ['Charged', <Money key="c" of={data.charged} currency={currency} />],
                  ['Refunded', <Money key="r" of={data.refunded} currency={currency} />],
                  seconds_of(data.slowed) > 0 && data.state === 'ENDED' && ['Of the refund, credited', <Money key="s" of={data.credited} currency={currency} />],
                  ['Held', <Money key="h" of={data.held} currency={currency} />],
                  ['Tier', tiers[data.tier]],
                  ['Devices', data.devices.map((device) => `#${device}`).join(', ') || '–'],
                  ['Attempt', String(data.attempt)],
                  ['Checkpoints', data.checkpoints > 0 ? `${data.checkpoints} saved` : 'none saved'],
                ]}
              />
              {data.started_at && <MeterBox lease={data} />}
              {is_renter && data.checkpoint_manifest && <CheckpointBox manifest={data.checkpoint_manifest} own={data.checkpoints > 0} />}
            </Card>
            {data.started_at && <TelemetryCard of={{ lease: id }} title="What its devices and its workload do" ended_at={data.state === 'ENDED' ? data.ended_at : undefined} />}
            {(data.attempt > 1 || goes_on(data)) && (
              <Card title="The task's way">
                <Attempts order={data.order} task={data.task} here={id} />
              </Card>
            )}
            {data.state === 'ENDED' && <Bill lease={id} market_key={market.data?.public_key} />}
            {can_reach && <Reach lease={id} is_running={data.state === 'RUNNING' || data.state === 'SUSPENDED'} is_suspended={data.state === 'SUSPENDED'} />}
            {data.output_manifest && (
              <Card title="Files it left">
                <Files manifest={data.output_manifest} />
              </Card>
            )}
            {is_renter && (
              <Card title="Output">
                <LogView path={`/v1/leases/${id}/logs`} name={`lease-${id}`} show_task={false} />
              </Card>
            )}
          </>
        )}
      </View>
    </Page>
  );
}

// Another attempt follows, or has followed, on this node or another.
const goes_on = (lease: Lease) => lease.state === 'ENDED' && (['BLAME_PROVIDER', 'BLAME_OWNER', 'BLAME_MARKET'] as const).some((blame) => blame === lease.blame);

function Timeline({ lease }: { lease: Lease }) {
  const moments = [
    ['Placed', lease.placed_at, 'devices set aside'],
    ['Started', lease.started_at, 'charged from here on'],
    ...(lease.checkpoints > 0 ? [['Last checkpoint', lease.checkpoint_at, `number ${lease.checkpoints}: from here the task goes on elsewhere`] as const] : []),
    ['Ended', lease.ended_at, ''],
  ] as const;
  return (
    <ol className="timeline">
      {moments.map(([name, at, about]) => (
        <li key={name} className={at ? 'done' : ''}>
          <strong>{name}</strong>
          <span>{at ? show_moment(at) : 'not yet'}</span>
          {about && <small>{about}</small>}
        </li>
      ))}
    </ol>
  );
}

// Loaded when it is opened: a receipt may hold thousands of records.
function MeterBox({ lease }: { lease: Lease }) {
  const [open, set_open] = useState(false);
  return (
    <details onToggle={(event) => set_open(event.currentTarget.open)}>
      <summary>What its meter says</summary>
      {open && (
        <Boundary what="The chart">
          <Suspense fallback={<Loading what="the chart" />}>
            <Meter lease={lease} />
          </Suspense>
        </Boundary>
      )}
    </details>
  );
}

function Bill({ lease, market_key }: { lease: string; market_key?: string }) {
  const [file, set_file] = useState('');
  const [verdict, set_verdict] = useState<Verdict | null>(null);
  const [error, set_error] = useState<unknown>(null);
  const fetch_receipt = async () => {
    if (file) return file;
    const receipt = await call(client.GET('/v1/leases/{lease}/receipt', { params: { path: { lease } } }));
    const text = JSON.stringify(receipt, null, 2);
    set_file(text);
    return text;
  };
  const attempt = (act: (text: string) => Promise<void> | void) => async () => {
    set_error(null);
    try {
      await act(await fetch_receipt());
    } catch (failure) {
      set_error(failure);
    }
  };
  return (
    <Card
      title="The bill"
      actions={
        <>
          <button type="button" className="plain" onClick={() => void attempt((text) => save_file(`receipt-${lease}.json`, [text], 'application/json'))()}>
            Download receipt
          </button>
          <button
            type="button"
            onClick={() =>
              void attempt(async (text) => {
                const { verify_receipt } = await import('../receipt/verify');
                set_verdict(await verify_receipt(text));
              })()
            }
          >
            Check it here
          </button>
        </>
      }
    >
      {error !== null && <ErrorBox error={error} />}
      {verdict ? <ReceiptView verdict={verdict} market_key={market_key} /> : <p className="hint">The receipt is signed by the market and holds every meter record that the node signed. Anyone can check it, offline and for ever.</p>}
    </Card>
  );
}
