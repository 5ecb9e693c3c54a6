// A month's bill, made of the account's own ledger: what each lease cost or earned. Months are UTC's, as
// those of budgets are.
import type { Transfer } from '../api/client';
import { format_money, micros_of } from './money';
import { is_refund_of_market } from './words';

export interface InvoiceLine {
  lease: string;
  at: string; // its last entry
  charged: bigint; // of a renter what it cost, of a provider what it earned
  fee: bigint; // of a renter: what the market kept of `charged`; below 0 where it gave back more than its fee
  refunded: bigint;
}

export interface Invoice {
  month: string; // "2026-11"
  spent: InvoiceLine[]; // oldest lease first
  earned: InvoiceLine[];
}

export const month_of = (at: string) => at.slice(0, 7);
export const this_month = () => new Date().toISOString().slice(0, 7);
export const net_of = (line: InvoiceLine) => line.charged - line.refunded;
export const sum_of = (lines: InvoiceLine[], of: (line: InvoiceLine) => bigint = net_of) => lines.reduce((sum, line) => sum + of(line), 0n);

// A month as an address may name it; null: no month.
export const month_asked = (text: string | null) => (text !== null && /^\d{4}-(0[1-9]|1[0-2])$/.test(text) ? text : null);

// The months from that of `first` (a moment, where it is known) to now, newest first.
export function months_since(first: string | undefined): string[] {
  const months: string[] = [];
  for (let month = this_month(); months.length < 120; ) {
    months.push(month);
    if (!first || month <= month_of(first)) break;
    const [year, number] = month.split('-').map(Number) as [number, number];
    month = number === 1 ? `${year - 1}-12` : `${year}-${String(number - 1).padStart(2, '0')}`;
  }
  return months;
}

// Sums as pages of the ledger come, newest entries first: what it holds grows with a month's leases, not
// with their entries, of which a long lease has hundreds of thousands.
export class InvoiceSum {
  private readonly spent = new Map<string, InvoiceLine>();
  private readonly earned = new Map<string, InvoiceLine>();

  constructor(private readonly month: string) {}

  // Whether older entries may belong to the month.
  add(transfers: Transfer[]): boolean {
    for (const transfer of transfers) this.add_one(transfer);
    const oldest = transfers[transfers.length - 1]?.at;
    return !oldest || month_of(oldest) >= this.month;
  }

  invoice(): Invoice {
    const oldest_first = (lines: Map<string, InvoiceLine>) => [...lines.values()].sort((a, b) => (BigInt(a.lease) < BigInt(b.lease) ? -1 : 1));
    return { month: this.month, spent: oldest_first(this.spent), earned: oldest_first(this.earned) };
  }

  private add_one(transfer: Transfer) {
    if (!transfer.at || month_of(transfer.at) !== this.month) return;
    const lines = transfer.kind === 'HELD' ? this.spent : transfer.kind === 'PENDING' ? this.earned : null;
    if (!lines || !['CHARGED', 'FEE', 'REFUNDED', 'FEE_RETURNED'].includes(transfer.reason)) return;
    const line = lines.get(transfer.lease) ?? { lease: transfer.lease, at: transfer.at, charged: 0n, fee: 0n, refunded: 0n };
    const micros = micros_of(transfer.amount);
    const amount = micros < 0n ? -micros : micros;
    if (transfer.reason === 'CHARGED' || transfer.reason === 'FEE') line.charged += amount;
    else line.refunded += amount;
    if (transfer.reason === 'FEE') line.fee += amount;
    if (transfer.reason === 'FEE_RETURNED' || is_refund_of_market(transfer)) line.fee -= amount;
    lines.set(transfer.lease, line);
  }
}

// `transfers`: newest first, at least those of the month.
export function invoice_of(transfers: Transfer[], month: string): Invoice {
  const sum = new InvoiceSum(month);
  sum.add(transfers);
  return sum.invoice();
}

// RFC 4180. Amounts as everywhere, with a hyphen for minus, so that programs read them. A text that a
// spreadsheet would take for a formula (the market's operator chooses the currency's name) begins with an
// apostrophe.
export function csv_of(invoice: Invoice, currency: string): string {
  const money = (micros: bigint) => format_money(micros).replace('−', '-');
  const row = (kind: string, line: InvoiceLine) => [invoice.month, kind, line.lease, line.at, money(line.charged), money(line.fee), money(line.refunded), money(net_of(line)), plain(currency)];
  const plain = (text: string) => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);
  const quoted = (cell: string) => (/[",\r\n]/.test(cell) ? `"${cell.replace(/"/g, '""')}"` : cell);
  const rows = [
    ['month', 'kind', 'lease', 'last_entry', 'charged', 'fee_kept', 'refunded', 'net', 'currency'],
    ...invoice.spent.map((line) => row('spent', line)),
    ...invoice.earned.map((line) => row('earned', line)),
  ];
  return rows.map((cells) => `${cells.map(quoted).join(',')}\r\n`).join('');
}
