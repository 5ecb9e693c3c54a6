import { describe, expect, it } from 'vitest';

import type { Earnings, Lease, Statement, StatementLine, Transfer } from '../src/api/client';
import { all_days, by_most, first_day, sum_days } from '../src/lib/earnings';
import { evidence_of } from '../src/lib/evidence';
import { entries_of } from '../src/lib/ledger';
import { adds_up, invoice_of, month_asked, months_since, net_of, sum_of, this_month } from '../src/lib/invoice';

const transfer = (at: string, amount: string, kind: Transfer['kind'], reason: Transfer['reason'], lease = '5', counterparty = '7'): Transfer => ({ index: '1', at, amount, kind, reason, lease, counterparty });

const line = (lease: string, charged: string, refunded: string, more: Partial<StatementLine> = {}): StatementLine => ({ lease, as_provider: false, order: '3', task: 0, name: 'job', project: '', tier: 'ON_DEMAND', charged, fee: '0.00', refunded, net: '', entries: '2', first_at: '2026-11-01T00:00:00Z', last_at: '2026-11-02T10:00:00Z', receipt: `/v1/leases/${lease}/receipt`, ...more });
const page = (lines: StatementLine[], more: Partial<Statement> = {}) => ({ month: '2026-11', currency: 'TEST', complete: true, spent: '0.00', earned: '0.00', lines, next_page_token: '', ...more }) as Statement;

describe('an invoice', () => {
  it('is the lines of all pages, and the sums of the last', () => {
    const invoice = invoice_of([page([line('5', '0.30', '0.00'), line('6', '0.10', '0.10', { fee: '-0.000001' })], { spent: '0.29' }), page([line('5', '0.20', '0.05', { as_provider: true })], { spent: '0.30', earned: '0.15' })]);
    expect(invoice.spent.map((one) => [one.lease, one.charged, one.fee, one.refunded])).toEqual([['5', 300_000n, 0n, 0n], ['6', 100_000n, -1n, 100_000n]]);
    expect(invoice.earned.map(net_of)).toEqual([150_000n]);
    expect(sum_of(invoice.spent)).toBe(300_000n);
    expect(invoice.statement.spent).toBe('0.30');
    expect(adds_up(invoice)).toBe(true);
  });
  it('is read again where an entry came between two pages', () => {
    expect(adds_up(invoice_of([page([line('5', '0.30', '0.00')], { spent: '0.300001' })]))).toBe(false);
    expect(adds_up(invoice_of([page([], { earned: '0.01' })]))).toBe(false);
    expect(adds_up(invoice_of([page([])]))).toBe(true);
  });
  it('does not pass through floating point', () => {
    const invoice = invoice_of([page([line('5', '9000000000000.000001', '0.00')], { spent: '9000000000000.000001' })]);
    expect(sum_of(invoice.spent)).toBe(9_000_000_000_000_000_001n);
    expect(adds_up(invoice)).toBe(true);
  });
  it('is of no month that is none', () => {
    expect(['2026-13', '2026-00', '2026-1', '', null, '2026-12x'].map(month_asked)).toEqual([null, null, null, null, null, null]);
    expect(month_asked('2026-12')).toBe('2026-12');
  });
  it('is there for every month since the first entry', () => {
    expect(months_since(undefined)).toEqual([this_month()]);
    const months = months_since('2025-12-31T00:00:00Z');
    expect(months[months.length - 1]).toBe('2025-12');
    expect(months).toContain('2026-01');
  });
});

describe("the market's own refund", () => {
  it('comes from its fees in the ledger', () => {
    const refunded = (amount: string) => transfer('2026-11-03T10:00:02Z', amount, 'HELD', 'REFUNDED', '5', '0');
    const [entry] = entries_of([refunded('0.02')]);
    expect(entry).toMatchObject({ from: 'MARKET_FEE', to: 'HELD', is_own: { from: false, to: true } });
    expect(entries_of([{ ...refunded('0.02'), counterparty: '7' }])).toMatchObject([{ from: 'PENDING', to: 'HELD' }]);
  });
});

describe('a deposit that was taken back', () => {
  // Newest first; of one transfer the side that receives comes before the one that gives.
  const own = (amount: string, kind: Transfer['kind'], reason: Transfer['reason']) => transfer('2026-11-03T10:00:02Z', amount, kind, reason, '0', '7');
  it('is paid back out of the wallet and of what is earned, within the account', () => {
    const entries = entries_of([own('2.00', 'OWED', 'DEBT_PAID'), own('-2.00', 'EARNED', 'DEBT_PAID'), own('2.00', 'OWED', 'DEBT_PAID'), own('-2.00', 'WALLET', 'DEBT_PAID'), { ...own('-5.00', 'OWED', 'DEPOSIT_REVERSED'), counterparty: '0' }]);
    expect(entries.map((one) => [one.reason, one.from, one.to, one.is_own.from, one.is_own.to, one.amount])).toEqual([
      ['DEBT_PAID', 'EARNED', 'OWED', true, true, 2_000_000n],
      ['DEBT_PAID', 'WALLET', 'OWED', true, true, 2_000_000n],
      ['DEPOSIT_REVERSED', 'OWED', 'OUTSIDE', true, false, 5_000_000n],
    ]);
  });
  it('is charged back to its leases, from provider and market', () => {
    const [of_provider] = entries_of([transfer('2026-11-03T10:00:02Z', '-1.00', 'PENDING', 'CHARGED_BACK')]);
    expect(of_provider).toMatchObject({ from: 'PENDING', to: 'OWED', is_own: { from: true, to: false } });
    const of_renter = entries_of([transfer('2026-11-03T10:00:02Z', '0.05', 'OWED', 'CHARGED_BACK', '5', '0'), transfer('2026-11-03T10:00:02Z', '0.95', 'OWED', 'CHARGED_BACK')]);
    expect(of_renter.map((one) => [one.from, one.to, one.is_own.to])).toEqual([['MARKET_FEE', 'OWED', true], ['PENDING', 'OWED', true]]);
  });
});

const lease = (id: string, more: Partial<Lease>): Lease => ({ id, node: '3', node_name: 'barn', devices: [0], state: 'ENDED', reason: 'COMPLETED', blame: 'BLAME_NONE', ...more }) as Lease;

const earned = (day: string, amount: string, more: Partial<Earnings> = {}): Earnings => ({ day, node: '3', node_name: 'barn', devices: [0], leases: '1', earned: amount, ...more });

describe('earnings', () => {
  const now = new Date('2026-11-21T23:59:59Z');
  it('show the days without any, up to today in UTC', () => {
    const days = all_days([earned('2026-11-20', '0.20'), earned('2026-11-01', '-0.05')], now);
    expect(days.map(({ day }) => day)).toEqual(Array.from({ length: 21 }, (_, at) => `2026-11-${String(at + 1).padStart(2, '0')}`));
    expect(sum_days(days)).toBe(150_000n);
    expect(all_days([earned('2026-11-20', '0.20')], now)).toHaveLength(14);
    expect(all_days([], now)).toEqual([]);
    expect(all_days([earned('2020-01-01', '0.20')], now)).toHaveLength(400);
    expect(all_days([earned('2020-01-01', '0.20')], now)[0]!.day).toBe(first_day(now));
  });
  it('name the device that earned most first, to the micro', () => {
    const rows = by_most([earned('', '9000000000000.000001'), earned('', '9000000000000.000002', { devices: [0, 1] })]);
    expect(rows.map((row) => row.devices)).toEqual([[0, 1], [0]]);
  });
});

describe('the evidence of a reliability', () => {
  it('is counted as the market counts it', () => {
    expect(evidence_of([]).reliability).toBe(0.95);
    const evidence = evidence_of([lease('1', {}), lease('2', { reason: 'EXIT_CODE', blame: 'BLAME_RENTER' }), lease('3', { reason: 'HOST_LOST', blame: 'BLAME_PROVIDER' }), lease('4', { reason: 'OWNER_RETURNED', blame: 'BLAME_OWNER' }), lease('5', { reason: 'HOST_LOST', blame: 'BLAME_PROVIDER' }), lease('6', { state: 'RUNNING', reason: 'END_REASON_UNSPECIFIED' }), lease('7', { reason: 'GANG_LOST', blame: 'BLAME_PROVIDER' })]);
    expect(evidence).toMatchObject({ kept: 3, broken: 3, reliability: Math.floor((22 / 26) * 1e6) / 1e6 });
    expect(evidence.reasons[0]).toEqual({ reason: 'HOST_LOST', blame: 'BLAME_PROVIDER', count: 2 });
    // By the rule weighs_kept_time: two of six minutes make one, and the provider's own none.
    const six = { account: '5', proven: '361.000000s' };
    const weighed = evidence_of([lease('1', six), lease('2', six), lease('3', { account: '9', proven: '7200s' }), lease('4', { account: '5', reason: 'HOST_LOST', blame: 'BLAME_PROVIDER' })], { provider: '9' });
    expect(weighed).toMatchObject({ kept: 2, counted: 1, broken: 1, reliability: Math.floor((20 / 22) * 1e6) / 1e6 });
  });
});
