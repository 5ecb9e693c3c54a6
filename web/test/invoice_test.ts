import { describe, expect, it } from 'vitest';

import type { Lease, Transfer } from '../src/api/client';
import { earnings_by_day, earnings_by_device } from '../src/lib/earnings';
import { evidence_of } from '../src/lib/evidence';
import { entries_of } from '../src/lib/ledger';
import { csv_of, invoice_of, InvoiceSum, month_asked, month_of, months_since, sum_of, this_month } from '../src/lib/invoice';

const transfer = (at: string, amount: string, kind: Transfer['kind'], reason: Transfer['reason'], lease = '5', counterparty = '7'): Transfer => ({ index: '1', at, amount, kind, reason, lease, counterparty });
// Newest first, as the server lists them.
const ledger = [
  transfer('2026-11-30T23:59:59Z', '-0.30', 'HELD', 'CHARGED', '9'),
  transfer('2026-11-03T10:00:02Z', '0.095', 'HELD', 'REFUNDED', '6'),
  transfer('2026-11-03T10:00:02Z', '0.005', 'HELD', 'FEE_RETURNED', '6'),
  transfer('2026-11-03T10:00:01Z', '-0.095', 'HELD', 'CHARGED', '6'),
  transfer('2026-11-03T10:00:01Z', '-0.005', 'HELD', 'FEE', '6'),
  transfer('2026-11-02T10:00:00Z', '-0.10', 'HELD', 'CHARGED'),
  transfer('2026-11-01T10:00:00Z', '-0.20', 'HELD', 'CHARGED'),
  transfer('2026-11-01T09:00:00Z', '5.00', 'HELD', 'HOLD_PLACED', '0'),
  transfer('2026-11-01T09:00:00Z', '-5.00', 'WALLET', 'HOLD_PLACED', '0'),
  transfer('2026-10-31T23:59:59Z', '-0.01', 'HELD', 'CHARGED'),
];

describe('an invoice', () => {
  const invoice = invoice_of(ledger, '2026-11');
  it('has each lease once, of that month alone, and only what it cost', () => {
    expect(invoice.spent.map((line) => [line.lease, line.charged, line.fee, line.refunded])).toEqual([['5', 300_000n, 0n, 0n], ['6', 100_000n, 0n, 100_000n], ['9', 300_000n, 0n, 0n]]);
    expect(invoice.earned).toEqual([]);
    expect(sum_of(invoice.spent)).toBe(600_000n);
    expect(invoice_of(ledger, '2026-10').spent).toHaveLength(1);
    expect(invoice_of(ledger, '2026-09').spent).toEqual([]);
  });
  it('is a provider’s, too', () => {
    const earned = invoice_of([transfer('2026-11-02T10:00:00Z', '-0.05', 'PENDING', 'REFUNDED'), transfer('2026-11-02T09:00:00Z', '0.20', 'PENDING', 'CHARGED')], '2026-11').earned;
    expect(earned).toMatchObject([{ charged: 200_000n, refunded: 50_000n }]);
  });
  it('shows what the market keeps of a fee, of its own refund, too', () => {
    const charged = [transfer('2026-11-03T10:00:01Z', '-0.95', 'HELD', 'CHARGED'), transfer('2026-11-03T10:00:01Z', '-0.05', 'HELD', 'FEE', '5', '0')];
    const refunded = (amount: string) => transfer('2026-11-03T10:00:02Z', amount, 'HELD', 'REFUNDED', '5', '0');
    expect(invoice_of([refunded('1.00'), ...charged], '2026-11').spent).toMatchObject([{ charged: 1_000_000n, refunded: 1_000_000n, fee: -950_000n }]);
    expect(invoice_of([refunded('0.02'), ...charged], '2026-11').spent).toMatchObject([{ refunded: 20_000n, fee: 30_000n }]);
    const [entry] = entries_of([refunded('0.02')]);
    expect(entry).toMatchObject({ from: 'MARKET_FEE', to: 'HELD', is_own: { from: false, to: true } });
    expect(entries_of([{ ...refunded('0.02'), counterparty: '7' }])).toMatchObject([{ from: 'PENDING', to: 'HELD' }]);
  });
  it('is the same in pages as in one, and read no further than its month', () => {
    const sum = new InvoiceSum('2026-11');
    expect(ledger.map((one) => sum.add([one]))).toEqual([...Array(ledger.length - 1).fill(true), false]);
    expect(sum.invoice()).toEqual(invoice);
  });
  it('is of no month that is none', () => {
    expect(['2026-13', '2026-00', '2026-1', '', null, '2026-12x'].map(month_asked)).toEqual([null, null, null, null, null, null]);
    expect(month_asked('2026-12')).toBe('2026-12');
  });
  it('is no formula for a spreadsheet', () => {
    for (const evil of ['=1+1', '+1', '-1', '@A1']) expect(csv_of(invoice, evil).split('\r\n')[1]!.split(',').pop()).toBe(`'${evil}`);
  });
  it('is CSV that programs read', () => {
    expect(csv_of(invoice, 'TEST,"X"').split('\r\n')[1]).toBe('2026-11,spent,5,2026-11-02T10:00:00Z,0.30,0.00,0.00,0.30,"TEST,""X"""');
    expect(csv_of(invoice, 'TEST').trim().split('\r\n')).toHaveLength(4);
    expect(csv_of({ ...invoice, spent: [{ ...invoice.spent[0]!, refunded: 400_000n }] }, 'TEST')).toContain(',-0.10,');
  });
  it('is there for every month since the first entry', () => {
    expect(months_since(undefined)).toEqual([this_month()]);
    const months = months_since('2025-12-31T00:00:00Z');
    expect(months[months.length - 1]).toBe('2025-12');
    expect(months).toContain('2026-01');
    expect(month_of('2026-11-30T23:59:59Z')).toBe('2026-11');
  });
});

const lease = (id: string, more: Partial<Lease>): Lease => ({ id, node: '3', node_name: 'barn', devices: [0], state: 'ENDED', reason: 'COMPLETED', blame: 'BLAME_NONE', ...more }) as Lease;

describe('earnings', () => {
  const earned = [transfer('2026-11-02T12:00:00Z', '0.20', 'PENDING', 'CHARGED', '1'), transfer('2026-11-02T12:00:00Z', '-0.05', 'PENDING', 'REFUNDED', '1'), transfer('2026-11-01T12:00:00Z', '0.40', 'PENDING', 'CHARGED', '2'), transfer('2026-11-01T12:00:00Z', '0.01', 'PENDING', 'CHARGED', '9'), transfer('2026-11-01T12:00:00Z', '-0.40', 'PENDING', 'RELEASED', '2')];
  it('are the same money by day and by device', () => {
    const days = earnings_by_day(earned);
    const devices = earnings_by_device(earned, [lease('1', {}), lease('2', { devices: [0, 1] })]);
    expect(devices.map((row) => [row.node_name, row.devices, row.leases, row.micros])).toEqual([['barn', [0, 1], 1, 400_000n], ['barn', [0], 1, 150_000n], ['', [], 1, 10_000n]]);
    const sum = (rows: { micros: bigint }[]) => rows.reduce((all, row) => all + row.micros, 0n);
    expect(sum(days)).toBe(sum(devices));
  });
});

describe('the evidence of a reliability', () => {
  it('is counted as the market counts it', () => {
    expect(evidence_of([]).reliability).toBe(0.95);
    const evidence = evidence_of([lease('1', {}), lease('2', { reason: 'EXIT_CODE', blame: 'BLAME_RENTER' }), lease('3', { reason: 'HOST_LOST', blame: 'BLAME_PROVIDER' }), lease('4', { reason: 'OWNER_RETURNED', blame: 'BLAME_OWNER' }), lease('5', { reason: 'HOST_LOST', blame: 'BLAME_PROVIDER' }), lease('6', { state: 'RUNNING', reason: 'END_REASON_UNSPECIFIED' }), lease('7', { reason: 'GANG_LOST', blame: 'BLAME_PROVIDER' })]);
    expect(evidence).toMatchObject({ kept: 3, broken: 3, reliability: Math.floor((22 / 26) * 1e6) / 1e6 });
    expect(evidence.reasons[0]).toEqual({ reason: 'HOST_LOST', blame: 'BLAME_PROVIDER', count: 2 });
  });
});
