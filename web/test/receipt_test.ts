// receipt.json is the bill of a lease that really ran, as `fallow receipt` wrote it.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import { verify_in_script } from '../src/receipt/signature';
import { merkle_root, meter_bytes, NotAReceipt, to_hex, verify_receipt } from '../src/receipt/verify';

const file = readFileSync(new URL('./data/receipt.json', import.meta.url), 'utf8');
const receipt = JSON.parse(file) as { body: string; signature: string; market_public_key: string };
const bytes_of = (text: string) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const text_of = (bytes: Uint8Array) => btoa(String.fromCharCode(...bytes));
const failed = async (text: string) => (await verify_receipt(text)).checks.filter((check) => !check.ok).map((check) => check.name);

describe('a real receipt', () => {
  it('is right in every check', async () => {
    const verdict = await verify_receipt(file);
    expect(verdict.checks.filter((check) => !check.ok)).toEqual([]);
    expect(verdict.ok).toBe(true);
    expect(verdict.checks).toHaveLength(7);
    expect(verdict.body!.reason).toBe('COMPLETED');
    expect(verdict.body!.meters.length).toBeGreaterThan(10);
    expect(verdict.body!.charged_micros).toBe((verdict.body!.rate_hour_micros * verdict.body!.proven_us) / 3_600_000_000n);
  });
  it('is wrong with any one byte changed', async () => {
    const body = bytes_of(receipt.body);
    for (let at = 0; at < body.length; at += 397) {
      const changed = body.slice();
      changed[at]! ^= 1;
      expect(await failed(JSON.stringify({ ...receipt, body: text_of(changed) })), `byte ${at}`).toContain("The market's signature");
    }
    const signature = bytes_of(receipt.signature);
    signature[63]! ^= 1;
    expect(await failed(JSON.stringify({ ...receipt, signature: text_of(signature) }))).toEqual(["The market's signature"]);
  });
  it("is wrong under another market's key", async () => {
    const key = bytes_of(receipt.market_public_key);
    key[0]! ^= 1;
    expect((await verify_receipt(JSON.stringify({ ...receipt, market_public_key: text_of(key) }))).ok).toBe(false);
  });
  it('shows a false amount even when somebody signed it', async () => {
    // A market that lies signs what it likes: the amounts are checked against the records all the same.
    const verdict = await verify_receipt(file);
    const varint = (value: bigint) => {
      const bytes: number[] = [];
      for (let rest = value; ; rest >>= 7n) {
        if (rest < 0x80n) return Uint8Array.from([...bytes, Number(rest)]);
        bytes.push(Number(rest & 0x7fn) | 0x80);
      }
    };
    const with_fields = (fields: [bigint, bigint][]) => text_of(Uint8Array.from([...bytes_of(receipt.body), ...fields.flatMap(([number, value]) => [...varint(number << 3n), ...varint(value)])]));
    const with_field = (number: bigint, value: bigint) => with_fields([[number, value]]);
    const dearer = await failed(JSON.stringify({ ...receipt, body: with_field(27n, verdict.body!.charged_micros + 1n) }));
    expect(dearer).toContain('The charge');
    expect(await failed(JSON.stringify({ ...receipt, body: with_field(26n, verdict.body!.proven_us + 1n) }))).toContain("The node's meter records");
    expect(await failed(JSON.stringify({ ...receipt, body: with_field(30n, 0n) }))).toContain('Refund, fee and what is paid');
    expect(await failed(JSON.stringify({ ...receipt, body: with_field(23n, 2n) }))).toContain('Refund, fee and what is paid');
    expect(await failed(JSON.stringify({ ...receipt, body: with_field(160n, 1n) }))).toContain('Refund, fee and what is paid');
    expect(await failed(JSON.stringify({ ...receipt, body: with_field(161n, 1n) }))).toContain("The node's meter records");
    // A device that was slower than verified by 30 %: so much comes back, no more and no less.
    const { charged_micros, proven_us } = verdict.body!;
    const slowed_us = (proven_us * 3000n) / 10_000n;
    const credit = (charged_micros * slowed_us + proven_us - 1n) / proven_us;
    const credited = (of: bigint) => failed(JSON.stringify({ ...receipt, body: with_fields([[162n, 3000n], [163n, 5000n], [160n, of], [28n, of], [30n, charged_micros - of]]) }));
    expect(await credited(credit)).toEqual(["The market's signature"]);
    expect(await credited(credit - 1n)).toContain('Refund, fee and what is paid');
    expect(await failed(JSON.stringify({ ...receipt, body: with_field(362n, 1n) }))).toContain("The node's meter records");
    expect(await failed(JSON.stringify({ ...receipt, body: with_field(363n, 1n) }))).toContain('The charge');
    // A price of egress is held for, and what it comes to is a part of the charge.
    expect(await failed(JSON.stringify({ ...receipt, body: with_fields([[360n, 1_000_000_000n], [361n, verdict.body!.hold_micros + 1n]]) }))).toContain('The charge');
  });
});

describe('signatures in script', () => {
  it('say the same as the native ones', async () => {
    expect((await verify_receipt(file, verify_in_script)).ok).toBe(true);
    const signature = bytes_of(receipt.signature);
    signature[0]! ^= 1;
    expect((await verify_receipt(JSON.stringify({ ...receipt, signature: text_of(signature) }), verify_in_script)).checks[0]!.ok).toBe(false);
    expect(await verify_in_script(new Uint8Array(31), new Uint8Array(), new Uint8Array(64))).toBe(false);
  });
});

describe('what is no receipt', () => {
  it('is said to be none', async () => {
    for (const text of ['', 'hello', '{}', '[]', 'null', '{"body": 7}', '{"body": "!", "signature": "", "market_public_key": ""}']) {
      await expect(verify_receipt(text), text).rejects.toThrow(NotAReceipt);
    }
  });
  it('does not get by with bytes that are cut off', async () => {
    for (let length = 0; length < 60; length += 1) {
      const verdict = await verify_receipt(JSON.stringify({ ...receipt, body: text_of(bytes_of(receipt.body).subarray(0, length)) }));
      expect(verdict.ok).toBe(false);
    }
  });
});

describe('the formats', () => {
  it("sign the documented example's bytes", () => {
    const record = { lease: 4096n, sequence: 1n, running_us: 5_000_000n, measured_at_us: 1_700_000_000_000_000n, slowed_us: 0n, egress_bytes: 0n };
    const numbers = '001000000000000001000000404b4c000000000000401e18240a0600';
    const key = new Uint8Array(32).fill(0xab);
    expect(to_hex(meter_bytes(key, record))).toBe(`66616c6c6f77206d65746572207631${'ab'.repeat(32)}${numbers}`);
    expect(to_hex(meter_bytes(key, { ...record, slowed_us: 1_250_000n }))).toBe(`66616c6c6f77206d65746572207632${'ab'.repeat(32)}${numbers}d012130000000000`);
    expect(to_hex(meter_bytes(key, { ...record, egress_bytes: 1_000_000_000n }))).toBe(`66616c6c6f77206d65746572207633${'ab'.repeat(32)}${numbers}000000000000000000ca9a3b00000000`);
  });
  it('hash nothing, one leaf and odd numbers of leaves as RFC 6962 has it', () => {
    expect(to_hex(merkle_root([]))).toBe('0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8'); // BLAKE2b-256 of nothing
    const leaf = (n: number) => Uint8Array.of(n);
    const roots = [1, 2, 3, 4, 5].map((count) => to_hex(merkle_root(Array.from({ length: count }, (_, n) => leaf(n)))));
    expect(new Set(roots).size).toBe(5);
    // Of three: the third stands alone beside the pair, not doubled.
    expect(roots[2]).not.toBe(to_hex(merkle_root([leaf(0), leaf(1), leaf(2), leaf(2)])));
  });
});
