// An account's transfers as double entries: what left one side and came to the other.
import type { Transfer } from '../api/client';
import { format_money, micros_of } from './money';
import { counter_kind } from './words';

export interface Entry {
  id: string;
  at?: string;
  reason: Transfer['reason'];
  from: Transfer['kind'];
  to: Transfer['kind'];
  is_own: { from: boolean; to: boolean }; // sides that are this account's
  amount: bigint; // not negative
  lease: string;
  index: string;
}

// Newest first, as they come. A movement between two of the account's own sides is told twice (once
// by each) and is one entry here.
export function entries_of(transfers: Transfer[]): Entry[] {
  const entries: Entry[] = [];
  const open = new Map<string, Entry>();
  transfers.forEach((transfer, at) => {
    const micros = micros_of(transfer.amount);
    const leaves = micros < 0n;
    const amount = leaves ? -micros : micros;
    const other = counter_kind(transfer);
    const from = leaves ? transfer.kind : other;
    const to = leaves ? other : transfer.kind;
    const side = leaves ? 'from' : 'to';
    const name = [transfer.index, transfer.reason, transfer.lease, transfer.reason === 'DEBT_PAID' ? '' : from, to, format_money(amount)].join(' ');
    const known = open.get(name);
    if (known && !known.is_own[side]) {
      known.is_own[side] = true;
      known[side] = transfer.kind;
      open.delete(name);
      return;
    }
    const entry: Entry = { id: `${transfer.index} ${at}`, at: transfer.at, reason: transfer.reason, from, to, is_own: { from: leaves, to: !leaves }, amount, lease: transfer.lease, index: transfer.index };
    entries.push(entry);
    open.set(name, entry);
  });
  return entries;
}
