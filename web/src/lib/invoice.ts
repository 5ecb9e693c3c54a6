// A month's bill as the server sums it: what each lease cost or earned. Months are UTC's, as those of budgets
// are.
import type { Statement, StatementLine } from '../api/client';
import { micros_of } from './money';

export interface InvoiceLine {
  lease: string;
  name: string; // of its job; of a provider empty
  tier: StatementLine['tier'];
  at: string; // its last entry
  charged: bigint; // of a renter what it cost, of a provider what it earned
  fee: bigint; // of a renter: what the market kept of `charged`; below 0 where it gave back more than its fee
  refunded: bigint;
}

export interface Invoice {
  statement: Statement; // its lines stand in the two lists
  spent: InvoiceLine[]; // by lease
  earned: InvoiceLine[];
}

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
    if (!first || month <= first.slice(0, 7)) break;
    const [year, number] = month.split('-').map(Number) as [number, number];
    month = number === 1 ? `${year - 1}-12` : `${year}-${String(number - 1).padStart(2, '0')}`;
  }
  return months;
}

const line_of = (line: StatementLine): InvoiceLine => ({ lease: line.lease, name: line.name, tier: line.tier, at: line.last_at ?? '', charged: micros_of(line.charged), fee: micros_of(line.fee), refunded: micros_of(line.refunded) });

// `pages`: one statement's, each with the month's sums as they were when it was read; the last one's count.
export function invoice_of(pages: Statement[]): Invoice {
  const lines = pages.flatMap((page) => page.lines);
  const of = (as_provider: boolean) => lines.filter((line) => line.as_provider === as_provider).map(line_of);
  return { statement: pages[pages.length - 1]!, spent: of(false), earned: of(true) };
}

// Whether the lines are the sums': of a month that is not over, an entry may come between two pages.
export const adds_up = ({ statement, spent, earned }: Invoice) => sum_of(spent) === micros_of(statement.spent) && sum_of(earned) === micros_of(statement.earned);
