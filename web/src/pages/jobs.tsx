import type { ColumnDef } from '@tanstack/react-table';
import { useMemo, useState } from 'react';
import { Link, useLocation } from 'wouter';

import { useOrders } from '../api/asks';
import type { Order, Session } from '../api/client';
import { useMay } from '../api/may';
import { show_ago } from '../lib/time';
import { order_states, tiers } from '../lib/words';
import { Badge, Card, Money, Page, type Tone } from '../parts/basics';
import { Empty, useNow, View } from '../parts/states';
import { Table } from '../parts/table';

export const order_tone: Record<string, Tone> = { OPEN: 'busy', ORDER_DONE: 'good', ORDER_FAILED: 'bad', ORDER_STOPPED: 'calm' };

export function OrderBadge({ order }: { order: Pick<Order, 'state' | 'tasks_running' | 'tasks_waiting'> }) {
  const words = order.state !== 'OPEN' ? order_states[order.state] : order.tasks_running > 0 ? 'running' : 'waiting';
  return <Badge tone={order.state === 'OPEN' && order.tasks_running === 0 ? 'warn' : (order_tone[order.state] ?? 'calm')}>{words}</Badge>;
}

export function Progress({ order }: { order: Order }) {
  const part = (count: number) => ({ flexGrow: count });
  const { tasks_done: done, tasks_running: running, tasks_failed: failed, tasks_total: total } = order;
  return (
    <span className="progress" title={`${done} done, ${running} running, ${failed} failed, of ${total}`}>
      <span className="progress-bar" aria-hidden="true">
        {done > 0 && <i className="good" style={part(done)} />}
        {running > 0 && <i className="busy" style={part(running)} />}
        {failed > 0 && <i className="bad" style={part(failed)} />}
        {total - done - running - failed > 0 && <i className="rest" style={part(total - done - running - failed)} />}
      </span>
      <span>
        {done}/{total}
      </span>
    </span>
  );
}

export default function JobsPage({ session }: { session: Session }) {
  const [open_only, set_open_only] = useState(false);
  const orders = useOrders(open_only);
  const now = useNow(5_000);
  const [, go] = useLocation();
  const is_operator = session.scopes.includes('OPERATOR');
  const may_rent = useMay()('run') && session.scopes.includes('RENTER');
  const columns = useMemo<ColumnDef<Order>[]>(
    () => [
      {
        id: 'name',
        header: 'Job',
        cell: ({ row: { original: order } }) => (
          <span className="two-lines">
            <strong>{order.name || 'without a name'}</strong>
            <small>
              {order.id}
              {is_operator && ` · account ${order.account}`}
            </small>
          </span>
        ),
        meta: { width: 'minmax(8rem, 2fr)' },
      },
      { id: 'state', header: 'State', cell: ({ row }) => <OrderBadge order={row.original} />, meta: { width: 'minmax(5.5rem, 0.8fr)' } },
      { id: 'tasks', header: 'Tasks', cell: ({ row }) => <Progress order={row.original} />, meta: { width: 'minmax(7rem, 1.4fr)', wide_only: true } },
      { id: 'tier', header: 'Tier', cell: ({ row }) => tiers[row.original.requirements?.tier ?? 'ON_DEMAND'], meta: { width: 'minmax(6rem, 0.8fr)', wide_only: true } },
      { id: 'charged', header: 'Charged', cell: ({ row }) => <Money of={row.original.charged} />, meta: { width: 'minmax(5rem, 1fr)', right: true } },
      { id: 'held', header: 'Held', cell: ({ row }) => <Money of={row.original.held} />, meta: { width: 'minmax(5rem, 0.8fr)', right: true, wide_only: true } },
      { id: 'created', header: 'Begun', cell: ({ row }) => show_ago(row.original.created_at, now), meta: { width: 'minmax(7rem, 1fr)', wide_only: true } },
    ],
    [now, is_operator],
  );
  return (
    <Page
      title="Jobs"
      actions={
        <>
          <label className="check">
            <input type="checkbox" checked={open_only} onChange={(event) => set_open_only(event.target.checked)} /> only open ones
          </label>
          {may_rent && (
            <Link href="/new" className="button">
              New job
            </Link>
          )}
        </>
      }
    >
      <Card>
        <View of={orders} what="jobs">
          {() => (
            <Table
              label="Jobs"
              rows={orders.rows ?? []}
              columns={columns}
              row_id={(order) => order.id}
              open={(order) => go(`/jobs/${order.id}`)}
              open_label={(order) => `Job ${order.name || order.id}`}
              more={orders.more}
              empty={
                <Empty title={open_only ? 'No job is open' : 'No jobs yet'}>
                  {may_rent && (
                    <>
                      <Link href="/new">Run your first one</Link>: a template, a price, one press.
                    </>
                  )}
                </Empty>
              }
            />
          )}
        </View>
      </Card>
    </Page>
  );
}
