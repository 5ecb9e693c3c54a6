import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import type { Transfer } from '../src/api/client';
import { entries_of } from '../src/lib/ledger';
import { parse_manifest, show_bytes } from '../src/lib/manifest';
import { parse_metrics, sum_metric } from '../src/lib/metrics';
import { show_seconds } from '../src/lib/time';
import { end_reasons } from '../src/lib/words';
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
