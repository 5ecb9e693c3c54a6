// What the account asked to be paid out, and what became of it.
import type { ColumnDef } from '@tanstack/react-table';
import { useMemo } from 'react';

import { useMarket, useWithdrawals } from '../api/asks';
import type { Payout } from '../api/client';
import { show_moment } from '../lib/time';
import { Badge, Money, type Tone } from './basics';
import { Empty, View } from './states';
import { Table } from './table';

const states: Record<Payout['state'], [Tone, string]> = {
  PAYOUT_STATE_UNSPECIFIED: ['calm', 'unknown'],
  PAYOUT_OPEN: ['busy', 'on its way'],
  PAYOUT_PAID: ['good', 'paid'],
  PAYOUT_RETURNED: ['warn', 'returned'],
};

export function Withdrawals() {
  const payouts = useWithdrawals();
  const currency = useMarket().data?.currency ?? '';
  const columns = useMemo<ColumnDef<Payout>[]>(
    () => [
      {
        id: 'asked',
        header: 'Asked for',
        cell: ({ row: { original: payout } }) => (
          <span className="two-lines">
            <strong>{show_moment(payout.requested_at)}</strong>
            <small>to {payout.destination}</small>
          </span>
        ),
        meta: { width: 'minmax(10rem, 1.5fr)' },
      },
      { id: 'state', header: 'State', cell: ({ row }) => <Badge tone={states[row.original.state][0]}>{states[row.original.state][1]}</Badge>, meta: { width: 'minmax(6rem, 0.8fr)' } },
      { id: 'settled', header: 'Settled', cell: ({ row }) => show_moment(row.original.settled_at), meta: { width: 'minmax(10rem, 1fr)', wide_only: true } },
      { id: 'reference', header: 'Reference', cell: ({ row }) => row.original.reference || '–', meta: { width: 'minmax(7rem, 1fr)', wide_only: true } },
      { id: 'amount', header: `Amount, in ${currency}`, cell: ({ row }) => <Money of={row.original.amount} />, meta: { width: 'minmax(6rem, 0.8fr)', right: true } },
    ],
    [currency],
  );
  return (
    <View of={payouts} what="payouts">
      {() => <Table label="Payouts" rows={payouts.rows ?? []} columns={columns} row_id={(payout) => payout.id} more={payouts.more} rows_high={6} empty={<Empty title="Nothing was asked to be paid out" />} />}
    </View>
  );
}
