import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import type { Transfer } from '../src/api/client';
import { entries_of } from '../src/lib/ledger';
import { parse_manifest, show_bytes } from '../src/lib/manifest';
import { parse_metrics, sum_metric } from '../src/lib/metrics';
import { show_seconds } from '../src/lib/time';
import { discount_forms, discount_words, discounts_of, rule_text, rule_value, rule_words } from '../src/lib/policy';
import { meter_picture } from '../src/lib/meter';
import { end_reasons, exit_words, rules, switches } from '../src/lib/words';
import { is_of_row } from '../src/parts/table';
import { reasons } from '../src/receipt/body';
import { pages, sections } from '../src/routes';

describe('pages', () => {
  it("are the server's own list", () => {
    const source = readFileSync(new URL('../../src/server/console_files.cc', import.meta.url), 'utf8');
    const list = /kPages = \{([^}]*)\}/.exec(source)![1]!.match(/"([^"]+)"/g)!.map((word) => word.slice(1, -1));
    expect([...pages].sort()).toEqual(list.sort());
    for (const section of sections) expect(pages).toContain(section.path.slice(1));
  });
});

describe('a row of a table', () => {
  // As much of the document's elements as is asked: `of`, the element around it; `act`, a button or a link.
  const element = (of: Element | null, act = false): Element => {
    const one = {
      contains: (other: Element | null): boolean => other === one || (other !== null && one.contains((other as unknown as { of: Element | null }).of)),
      closest: (): Element | null => (act ? one : (of?.closest('') ?? null)),
      of,
    } as unknown as Element & { of: Element | null };
    return one;
  };
  it('is pressed where it stands, not in what it holds nor in a dialog that it has opened', () => {
    const row = element(element(null));
    const cell = element(row);
    expect(is_of_row({ target: cell, currentTarget: row })).toBe(true);
    expect(is_of_row({ target: row, currentTarget: row })).toBe(true);
    expect(is_of_row({ target: element(element(cell, true)), currentTarget: row }), "a button's words").toBe(false);
    expect(is_of_row({ target: element(element(null)), currentTarget: row }), 'a dialog, by a portal').toBe(false);
  });
});

describe('the ledger', () => {
  const transfer = (amount: string, kind: Transfer['kind'], reason: Transfer['reason'], index = '7', lease = '0'): Transfer => ({ index, amount, kind, reason, lease, counterparty: '0', at: '2026-11-21T10:00:00Z' });
  it('makes one entry of a movement within the account', () => {
    const entries = entries_of([transfer('2.00', 'HELD', 'HOLD_PLACED'), transfer('-2.00', 'WALLET', 'HOLD_PLACED')]);
    expect(entries).toHaveLength(1);
    expect(entries[0]).toMatchObject({ from: 'WALLET', to: 'HELD', amount: 2_000_000n, is_own: { from: true, to: true } });
  });
  it('names the other side where it is not the account’s', () => {
    const [charge, deposit, earned] = entries_of([transfer('-0.10', 'HELD', 'CHARGED', '8', '5'), transfer('10.00', 'WALLET', 'DEPOSITED', '6'), transfer('0.10', 'PENDING', 'CHARGED', '9', '6')]);
    expect(charge).toMatchObject({ from: 'HELD', to: 'PENDING', is_own: { from: true, to: false } });
    expect(deposit).toMatchObject({ from: 'OUTSIDE', to: 'WALLET', is_own: { from: false, to: true } });
    expect(earned).toMatchObject({ from: 'HELD', to: 'PENDING', is_own: { from: false, to: true } });
  });
  it('does not join equal movements that are two', () => {
    expect(entries_of([transfer('-0.10', 'HELD', 'CHARGED'), transfer('-0.10', 'HELD', 'CHARGED')])).toHaveLength(2);
  });
});

describe('manifests', () => {
  it('are read as documented and refused otherwise', () => {
    const digest = 'de9543b2ae1b2b87434a730727db17f5ac8b8c020b84a5cb8c5fbcc1423443ba';
    expect(parse_manifest(`fallow manifest v1\n${digest} 3 - in/a b.txt\n`)).toEqual([{ digest, bytes: 3, executable: false, path: 'in/a b.txt' }]);
    expect(parse_manifest('fallow manifest v1\n')).toEqual([]);
    for (const wrong of ['', 'fallow manifest v2\n', `fallow manifest v1\n${digest} 3 - a`, 'fallow manifest v1\nxyz 3 - a\n', `fallow manifest v1\n${digest} 03 - a\n`]) expect(parse_manifest(wrong)).toBeNull();
    expect(show_bytes(1_500_000)).toBe('1.5 MB');
  });
});

describe('figures', () => {
  it('come out of the metrics', () => {
    const text = '# HELP x\nfallow_nodes 3\nfallow_http_requests_total{route="a",status="5xx"} 2\nfallow_http_requests_total{route="b",status="5xx"} 1\nfallow_http_requests_total{route="b",status="2xx"} 9\n';
    expect(parse_metrics(text).get('fallow_nodes')).toBe(3);
    expect(sum_metric(text, 'fallow_http_requests_total', (labels) => labels.includes('status="5xx"'))).toBe(3);
  });
  it('are told in two units at most', () => {
    expect([0.2, 3.14, 59, 60, 3_725, 90_000, 86_400 * 3].map(show_seconds)).toEqual(['200 ms', '3.1 s', '59 s', '1 min', '1 h 2 min', '1 d 1 h', '3 d']);
  });
  it('have a sentence for every ending that a receipt may name', () => {
    for (const reason of reasons) expect(end_reasons[reason]).toBeTruthy();
  });
});

describe('rules', () => {
  it('have a row for every figure that the schema has', () => {
    const schema = JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8')).components.schemas.Policy.properties as Record<string, { type: string }>;
    expect([...rules, ...switches].map((rule) => rule.key as string).sort()).toEqual(Object.keys(schema).filter((key) => schema[key]!.type !== 'array').sort());
  });
  it('are read and written without rounding', () => {
    for (const [value, unit, text] of [['500000', 's', '0.5'], ['86400000000', 's', '86400'], ['1', 's', '0.000001'], ['250', '%', '2.5'], ['0', '%', '0'], ['5', 'count', '5']] as const) {
      expect(rule_text(value, unit)).toBe(text);
      expect(rule_value(text, unit)).toBe(value);
    }
    for (const [wrong, unit] of [['', 's'], ['-1', 's'], ['1e3', 's'], ['0.0000001', 's'], ['0.001', '%'], ['1.5', 'count'], ['1,5', 's']] as const) expect(rule_value(wrong, unit)).toBeNull();
  });
  it('say in words what they come to', () => {
    const rule = (key: string) => rules.find((one) => one.key === key)!;
    expect(rule_words('604800000000', rule('payout_delay_us'))).toBe('7 d');
    expect(rule_words('0', rule('payout_delay_us'))).toBe('it is paid out at once');
    expect(rule_words('0', rule('proof_interval_us'))).toBe('never');
    expect(rule_words('500000', rule('meter_interval_us'))).toBe('');
    expect(discount_words({ spent_micros_min: '100000000', fee_basis_points: 1000 }, 'EUR')).toMatch(/^Who spent 100(\.0+)? EUR within 30 days is let off 10 % of the fee\.$/);
  });
  it('reads discounts that the market takes, and says what is wrong with others', () => {
    const laid_down = [{ spent_micros_min: '100000000', fee_basis_points: 1000 }, { spent_micros_min: '1000000000', fee_basis_points: 2550 }];
    expect(discount_forms(laid_down)).toEqual([{ spent: '100.00', percent: '10' }, { spent: '1000.00', percent: '25.5' }]);
    expect(discounts_of(discount_forms(laid_down))).toEqual(laid_down);
    expect(discounts_of([])).toEqual([]);
    expect(discounts_of([{ spent: 'much', percent: '10' }])).toMatch(/no amount/);
    expect(discounts_of([{ spent: '1', percent: '101' }])).toMatch(/no percentage/);
    expect(discounts_of([{ spent: '2', percent: '1' }, { spent: '2', percent: '2' }])).toMatch(/more spending/);
    expect(discounts_of([{ spent: '1', percent: '2' }, { spent: '2', percent: '1' }])).toMatch(/no less/);
    expect(discounts_of(Array.from({ length: 9 }, (_, at) => ({ spent: String(at), percent: '1' })))).toMatch(/At most 8/);
  });
});

describe('endings of commands', () => {
  it('are told by their code', () => {
    expect([0, 7, 128, 137, 192, 193, 255].map(exit_words)).toEqual([
      'It ended well, with exit code 0.', 'It ended with exit code 7.', 'It ended with exit code 128.', 'It ended with exit code 137, as by signal 9 (kill).',
      'It ended with exit code 192, as by signal 64.', 'It ended with exit code 193.', 'It ended with exit code 255.',
    ]);
  });
});

describe('meters', () => {
  it('are drawn by their own clock, with the share that ran', () => {
    const picture = meter_picture([{ at: 100, running: 0 }, { at: 110, running: 10 }, { at: 120, running: 15 }]);
    expect(picture).toEqual({ times: [100, 110, 120], proven: [0, 10, 15], share: [null, 100, 50], unit: 's', whole_share: 75 });
  });
  it('of many records keep the last and the sums', () => {
    const picture = meter_picture(Array.from({ length: 9_999 }, (_, at) => ({ at: at * 10, running: at * 5 })));
    expect(picture.times.length).toBeLessThanOrEqual(400);
    expect(picture.times[picture.times.length - 1]).toBe(99_980);
    expect(picture.unit).toBe('h');
    expect(new Set(picture.share.slice(1))).toEqual(new Set([50]));
  });
  it('of no or one record are no picture', () => {
    expect(meter_picture([])).toMatchObject({ times: [], whole_share: null });
    expect(meter_picture([{ at: 1, running: 1 }]).whole_share).toBeNull();
  });
});
