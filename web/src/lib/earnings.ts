// What a provider earned, by the viewer's days and by device: from the ledger's entries on its pending
// side, so it is the same money that is paid out.
import type { Lease, Transfer } from '../api/client';
import { micros_of } from './money';
import { local_day } from './time';

const is_earning = (transfer: Transfer) => transfer.kind === 'PENDING' && (transfer.reason === 'CHARGED' || transfer.reason === 'REFUNDED');

export interface Day {
  day: string; // "2026-11-21", the viewer's
  micros: bigint;
}

// What came into the pending side less what was refunded from it.
export function earnings_by_day(transfers: Transfer[]): Day[] {
  const days = new Map<string, bigint>();
  for (const transfer of transfers) {
    if (!transfer.at || !is_earning(transfer)) continue;
    const day = local_day(transfer.at);
    days.set(day, (days.get(day) ?? 0n) + micros_of(transfer.amount));
  }
  return [...days].map(([day, micros]) => ({ day, micros })).sort((a, b) => (a.day < b.day ? -1 : 1));
}

// The days up to today, the empty ones, too: at least a fortnight.
export function with_empty_days(days: Day[]): Day[] {
  const first = days[0];
  if (!first) return [];
  const known = new Map(days.map(({ day, micros }) => [day, micros]));
  const at = new Date();
  const all: Day[] = [];
  for (let day = local_day(at.toISOString()); all.length < 14 || (day >= first.day && all.length < 400); day = local_day(at.toISOString())) {
    all.unshift({ day, micros: known.get(day) ?? 0n });
    at.setDate(at.getDate() - 1);
  }
  return all;
}

export interface DeviceEarnings {
  node: string; // id; empty: of leases that are not listed any more
  node_name: string;
  devices: number[]; // leased together: one lease's money is of all of them
  leases: number;
  micros: bigint;
}

// Most first. Leases that are not among `leases` are one row.
export function earnings_by_device(transfers: Transfer[], leases: Lease[]): DeviceEarnings[] {
  const by_lease = new Map<string, bigint>();
  for (const transfer of transfers) {
    if (is_earning(transfer)) by_lease.set(transfer.lease, (by_lease.get(transfer.lease) ?? 0n) + micros_of(transfer.amount));
  }
  const known = new Map(leases.map((lease) => [lease.id, lease]));
  const rows = new Map<string, DeviceEarnings>();
  for (const [id, micros] of by_lease) {
    const lease = known.get(id);
    const key = lease ? `${lease.node} ${lease.devices.join()}` : '';
    const row = rows.get(key) ?? { node: lease?.node ?? '', node_name: lease?.node_name ?? '', devices: lease?.devices ?? [], leases: 0, micros: 0n };
    row.leases += 1;
    row.micros += micros;
    rows.set(key, row);
  }
  return [...rows.values()].sort((a, b) => (a.micros > b.micros ? -1 : a.micros < b.micros ? 1 : 0));
}
