import type { ColumnDef } from '@tanstack/react-table';
import { useMemo, useState, type ReactNode } from 'react';
import { useLocation } from 'wouter';

import { useLeases, useMarket } from '../api/asks';
import type { Lease } from '../api/client';
import { seconds_of, show_ago, show_seconds } from '../lib/time';
import { blame_names, end_reasons } from '../lib/words';
import { Card, Money, Page } from '../parts/basics';
import { LeaseBadge } from '../parts/lease_badge';
import { Empty, useNow, View } from '../parts/states';
import { Table } from '../parts/table';

export function LeaseTable({ rows, more, currency, empty }: { rows: Lease[]; more: { fetch: () => void; has: boolean; busy: boolean; failed: boolean }; currency: string; empty: ReactNode }) {
  const now = useNow(5_000);
  const [, go] = useLocation();
  const columns = useMemo<ColumnDef<Lease>[]>(
    () => [
      {
        id: 'lease',
        header: 'Lease',
        cell: ({ row: { original: lease } }) => (
          <span className="two-lines">
            <strong>
              Task {lease.task}
              {lease.attempt > 1 ? `, attempt ${lease.attempt}` : ''}
            </strong>
            <small>{lease.id}</small>
          </span>
        ),
        meta: { width: 'minmax(8rem, 1.4fr)' },
      },
      {
        id: 'state',
        header: 'State',
        cell: ({ row: { original: lease } }) => (
          <span title={lease.state === 'ENDED' ? `${end_reasons[lease.reason]}. To blame: ${blame_names[lease.blame]}.` : undefined}>
            <LeaseBadge lease={lease} />
          </span>
        ),
        meta: { width: 'minmax(6.5rem, 1fr)' },
      },
      { id: 'node', header: 'Node', cell: ({ row }) => row.original.node_name || row.original.node, meta: { width: 'minmax(6rem, 1fr)', wide_only: true } },
      { id: 'proven', header: 'Proven', cell: ({ row }) => show_seconds(seconds_of(row.original.proven)), meta: { width: 'minmax(5rem, 0.8fr)', right: true, wide_only: true } },
      { id: 'rate', header: 'Price / h', cell: ({ row }) => <Money of={row.original.price_per_hour} />, meta: { width: 'minmax(5rem, 0.8fr)', right: true, wide_only: true } },
      { id: 'charged', header: 'Charged', cell: ({ row }) => <Money of={row.original.charged} />, meta: { width: 'minmax(5rem, 0.9fr)', right: true } },
      { id: 'refunded', header: 'Refunded', cell: ({ row }) => <Money of={row.original.refunded} />, meta: { width: 'minmax(5rem, 0.9fr)', right: true, wide_only: true } },
      { id: 'placed', header: 'Placed', cell: ({ row }) => show_ago(row.original.placed_at, now), meta: { width: 'minmax(6.5rem, 1fr)', wide_only: true } },
    ],
    [now],
  );
  return <Table label={`Leases, amounts in ${currency}`} rows={rows} columns={columns} row_id={(lease) => lease.id} open={(lease) => go(`/leases/${lease.id}`)} open_label={(lease) => `Lease ${lease.id}`} more={more} empty={empty} />;
}

export default function LeasesPage() {
  const [open_only, set_open_only] = useState(false);
  const leases = useLeases({ open_only });
  const market = useMarket();
  return (
    <Page
      title="Leases"
      lead="Every contract of yours with a device, as renter or provider."
      actions={
        <label className="check">
          <input type="checkbox" checked={open_only} onChange={(event) => set_open_only(event.target.checked)} /> only open ones
        </label>
      }
    >
      <Card>
        <View of={leases} what="leases">
          {() => <LeaseTable rows={leases.rows ?? []} more={leases.more} currency={market.data?.currency ?? ''} empty={<Empty title={open_only ? 'No lease is open' : 'No leases yet'} />} />}
        </View>
      </Card>
    </Page>
  );
}
