// A provider's side: joining, nodes, what they earn.
import type { ColumnDef } from '@tanstack/react-table';
import { useMemo, useState } from 'react';
import { Link, useLocation } from 'wouter';

import { useChange, useEarningDays, useEarningDevices, useMarket, useNodes, useWallet } from '../api/asks';
import { call, client, type NodeOfMarket, type Session } from '../api/client';
import { useMay } from '../api/may';
import { all_days, by_most, sum_days } from '../lib/earnings';
import { approximate, format_money, micros_of, parse_money } from '../lib/money';
import { show_ago, show_moment, show_utc_day } from '../lib/time';
import { device_name, owner_states, plural } from '../lib/words';
import { AskButton, Card, Copy, Field, Money, Page } from '../parts/basics';
import { Chart } from '../parts/chart';
import { NodeBadge } from '../parts/node_badge';
import { Empty, ErrorBox, useNow, View } from '../parts/states';
import { Table } from '../parts/table';
import { Withdrawals } from '../parts/withdrawals';

const devices_of = (node: NodeOfMarket) => {
  const counts = new Map<string, number>();
  for (const device of node.facts?.devices ?? []) counts.set(device.model ?? '?', (counts.get(device.model ?? '?') ?? 0) + 1);
  return [...counts].map(([model, count]) => `${count > 1 ? `${count} × ` : ''}${device_name(model)}`).join(', ') || 'no device';
};

export default function ProvidePage({ session }: { session: Session }) {
  const nodes = useNodes();
  const now = useNow(5_000);
  const [, go] = useLocation();
  const is_provider = session.scopes.includes('PROVIDER');
  const may_join = useMay()('run') && is_provider;
  const columns = useMemo<ColumnDef<NodeOfMarket>[]>(
    () => [
      {
        id: 'node',
        header: 'Node',
        cell: ({ row: { original: node } }) => (
          <span className="two-lines">
            <strong>{node.facts?.name || node.id}</strong>
            <small>
              {node.id} · {node.facts?.region || 'no region'}
            </small>
          </span>
        ),
        meta: { width: 'minmax(8rem, 1.4fr)' },
      },
      { id: 'state', header: 'State', cell: ({ row }) => <span title={`Owner ${owner_states[row.original.owner]}`}><NodeBadge node={row.original} /></span>, meta: { width: 'minmax(7rem, 1fr)' } },
      { id: 'devices', header: 'Devices', cell: ({ row }) => devices_of(row.original), meta: { width: 'minmax(9rem, 1.6fr)', wide_only: true } },
      { id: 'price', header: 'Price / h', cell: ({ row }) => (row.original.offer ? <Money of={row.original.offer.price_per_hour} /> : 'not offered'), meta: { width: 'minmax(5.5rem, 1fr)', right: true } },
      { id: 'reliability', header: 'Reliability', cell: ({ row }) => `${(row.original.reliability * 100).toFixed(1)} %`, meta: { width: 'minmax(6rem, 0.8fr)', right: true, wide_only: true } },
      { id: 'seen', header: 'Heard', cell: ({ row }) => show_ago(row.original.seen_at, now), meta: { width: 'minmax(7rem, 1fr)', wide_only: true } },
    ],
    [now],
  );
  return (
    <Page title="Provide" lead="Your machines earn while you do not use them. Your own use comes first, always." actions={may_join && <Join />}>
      {is_provider && <EarningsCard />}
      <Card title="Nodes">
        <View of={nodes} what="nodes">
          {() => (
            <Table
              label="Nodes"
              rows={nodes.rows ?? []}
              columns={columns}
              row_id={(node) => node.id}
              open={(node) => go(`/provide/${node.id}`)}
              open_label={(node) => `Node ${node.facts?.name || node.id}`}
              more={nodes.more}
              empty={<Empty title="No node yet">{may_join ? 'Press “Add a node” and run the line it gives you on the machine.' : 'Nobody has joined this market with a machine.'}</Empty>}
            />
          )}
        </View>
      </Card>
    </Page>
  );
}

function Join() {
  const [price, set_price] = useState('');
  const [token, set_token] = useState<{ token: string; expires_at?: string } | null>(null);
  const [error, set_error] = useState<unknown>(null);
  const [busy, set_busy] = useState(false);
  const [open, set_open] = useState(false);
  const make = async () => {
    set_busy(true);
    set_error(null);
    try {
      set_token(await call(client.POST('/v1/join-tokens', { body: {} })));
    } catch (failure) {
      set_error(failure);
    } finally {
      set_busy(false);
    }
  };
  if (!open) {
    return (
      <button type="button" onClick={() => set_open(true)}>
        Add a node
      </button>
    );
  }
  const command = token ? `fallow agent --data ~/.local/share/fallow --join ${token.token}${price ? ` --price ${price}` : ''}` : '';
  return (
    <Card title="Add a node" className="join">
      <Field label="Price of a device and hour" hint="Empty: you offer it later." error={price && parse_money(price) === null ? 'An amount such as 0.35.' : null}>
        {(props) => <input {...props} inputMode="decimal" value={price} onChange={(event) => set_price(event.target.value.trim())} />}
      </Field>
      {token ? (
        <>
          <p>Run this on the machine. It dials out only: no port needs to be open.</p>
          <Copy text={command} what="Join command" />
          <p className="hint">Good for one node until {show_moment(token.expires_at)}. Whoever has it can join as you: keep it to yourself.</p>
        </>
      ) : (
        <button type="button" disabled={busy} onClick={() => void make()}>
          Make the join command
        </button>
      )}
      {error !== null && <ErrorBox error={error} />}
    </Card>
  );
}

const devices_shown_max = 20;

function EarningsCard() {
  const earned = useEarningDays();
  const by_device = useEarningDevices();
  const wallet = useWallet();
  const market = useMarket();
  const may_pay = useMay()('pay');
  const picture = useMemo(() => {
    const days = all_days(earned.data ?? [], new Date());
    const times = days.map(({ day }) => new Date(`${day}T12:00`).getTime() / 1000); // where the axis writes that day
    return { days, times, series: [{ name: 'Earned', values: days.map(({ micros }) => approximate(format_money(micros).replace('−', '-'))), colour: '--accent' as const, bars: true }] };
  }, [earned.data]);
  const change = useChange((body: { amount: string; destination: string }) => call(client.POST('/v1/withdrawals', { body })), ['wallet', 'transfers', 'payouts']);
  const [destination, set_destination] = useState('');
  const currency = market.data?.currency ?? '';
  const devices = useMemo(() => by_most(by_device.data ?? []), [by_device.data]);
  const all = sum_days(picture.days);
  const last = picture.days[picture.days.length - 1];
  return (
    <Card
      title="Earnings"
      actions={
        wallet.data &&
        may_pay &&
        micros_of(wallet.data.earned) > 0n && (
          <AskButton label="Pay out" title="Pay out what is earned" action={`Pay out ${wallet.data.earned}`} act={() => change.mutateAsync({ amount: wallet.data.earned, destination })}>
            <Field label="Where to" hint="As the operator asks for it.">
              {(props) => <input {...props} value={destination} onChange={(event) => set_destination(event.target.value)} />}
            </Field>
          </AskButton>
        )
      }
    >
      {wallet.data && (
        <p className="figures">
          <span>
            <small>May be paid out</small>
            <Money of={wallet.data.earned} currency={currency} />
          </span>
          <span>
            <small>Pending</small>
            <Money of={wallet.data.pending} currency={currency} />
          </span>
          <span>
            <small>In these days</small>
            <Money of={all} currency={currency} />
          </span>
        </p>
      )}
      <View of={earned} what="earnings">
        {() =>
          last === undefined ? (
            <Empty title="Nothing earned yet">The first proven second of a lease is the first entry here.</Empty>
          ) : (
            <>
              <Chart times={picture.times} series={picture.series} height={180} about={`Earnings of the last ${plural(picture.days.length, 'day')}, ${format_money(all)} ${currency} in all, up to ${show_utc_day(last.day)}`} />
              <p className="hint">Days are UTC, as the market counts them. What was refunded is taken off on the day that it was.</p>
              <View of={by_device} what="earnings by device">
                {() => (
                  <>
                    <table className="parts">
                      <caption>By device, in {currency}</caption>
                      <thead>
                        <tr>
                          <th scope="col">Device</th>
                          <th scope="col" className="right">Leases</th>
                          <th scope="col" className="right">Earned</th>
                        </tr>
                      </thead>
                      <tbody>
                        {devices.slice(0, devices_shown_max).map((row) => (
                          <tr key={`${row.node} ${row.devices.join()}`}>
                            <th scope="row">
                              <Link href={`/provide/${row.node}`}>{row.node_name || row.node}</Link> {row.devices.map((device) => `#${device}`).join(' ')}
                            </th>
                            <td className="right">{row.leases}</td>
                            <td className="right"><Money of={row.earned} /></td>
                          </tr>
                        ))}
                      </tbody>
                    </table>
                    {devices.length > devices_shown_max && <p className="hint">The {devices_shown_max} that earned most of {devices.length}.</p>}
                  </>
                )}
              </View>
            </>
          )
        }
      </View>
      <h3>Payouts</h3>
      <Withdrawals />
    </Card>
  );
}
