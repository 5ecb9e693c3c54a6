// A month's bill, made of the account's own ledger: what each lease cost or earned. Months are UTC's, as
// those of budgets are.
import type { Transfer } from '../api/client';
import { format_money, micros_of } from './money';

export interface InvoiceLine {
  lease: string;
  at: string; // its last entry
  charged: bigint; // of a renter what it cost, of a provider what it earned
  fee: bigint; // the market's, inside `charged` of a renter
  refunded: bigint;
}

export interface Invoice {
  month: string; // "2026-11"
  spent: InvoiceLine[]; // oldest first
  earned: InvoiceLine[];
}

export const month_of = (at: string) => at.slice(0, 7);
export const this_month = () => new Date().toISOString().slice(0, 7);
export const net_of = (line: InvoiceLine) => line.charged - line.refunded;
export const sum_of = (lines: InvoiceLine[], of: (line: InvoiceLine) => bigint = net_of) => lines.reduce((sum, line) => sum + of(line), 0n);

// The months from the earliest entry to now, newest first.
export function months_of(transfers: Transfer[]): string[] {
  const first = transfers[transfers.length - 1]?.at;
  const months: string[] = [];
  for (let month = this_month(); months.length < 120; ) {
    months.push(month);
    if (!first || month <= month_of(first)) break;
    const [year, number] = month.split('-').map(Number) as [number, number];
    month = number === 1 ? `${year - 1}-12` : `${year}-${String(number - 1).padStart(2, '0')}`;
  }
  return months;
}

// `transfers`: newest first, at least those of the month.
export function invoice_of(transfers: Transfer[], month: string): Invoice {
  const spent = new Map<string, InvoiceLine>();
  const earned = new Map<string, InvoiceLine>();
  for (const transfer of [...transfers].reverse()) {
    if (!transfer.at || month_of(transfer.at) !== month) continue;
    const lines = transfer.kind === 'HELD' ? spent : transfer.kind === 'PENDING' ? earned : null;
    if (!lines || !['CHARGED', 'FEE', 'REFUNDED', 'FEE_RETURNED'].includes(transfer.reason)) continue;
    const line = lines.get(transfer.lease) ?? { lease: transfer.lease, at: '', charged: 0n, fee: 0n, refunded: 0n };
    const micros = micros_of(transfer.amount);
    const amount = micros < 0n ? -micros : micros;
    line.at = transfer.at;
    if (transfer.reason === 'CHARGED' || transfer.reason === 'FEE') line.charged += amount;
    else line.refunded += amount;
    if (transfer.reason === 'FEE') line.fee += amount;
    if (transfer.reason === 'FEE_RETURNED') line.fee -= amount;
    lines.set(transfer.lease, line);
  }
  return { month, spent: [...spent.values()], earned: [...earned.values()] };
}

// RFC 4180. Amounts as everywhere, with a hyphen for minus, so that programs read them.
export function csv_of(invoice: Invoice, currency: string): string {
  const money = (micros: bigint) => format_money(micros).replace('−', '-');
  const row = (kind: string, line: InvoiceLine) => [invoice.month, kind, line.lease, line.at, money(line.charged), money(line.fee), money(line.refunded), money(net_of(line)), currency];
  const quoted = (cell: string) => (/[",\r\n]/.test(cell) ? `"${cell.replace(/"/g, '""')}"` : cell);
  const rows = [
    ['month', 'kind', 'lease', 'last_entry', 'charged', 'fee_inside', 'refunded', 'net', 'currency'],
    ...invoice.spent.map((line) => row('spent', line)),
    ...invoice.earned.map((line) => row('earned', line)),
  ];
  return rows.map((cells) => `${cells.map(quoted).join(',')}\r\n`).join('');
}
