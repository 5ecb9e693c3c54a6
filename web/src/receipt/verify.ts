// Checks a receipt here, in the browser: nothing is sent anywhere. docs/formats/receipt.md is the
// contract, and src/client/receipt.cc does the same on the command line.
import { blake2b } from '@noble/hashes/blake2b';

import { format_money } from '../lib/money';
import { read_body, type MeterRecord, type ReceiptBody } from './body';
import { best_verify, type Verify } from './signature';
import { WireError } from './wire';

export interface Verdict {
  checks: { name: string; ok: boolean; detail: string }[];
  ok: boolean;
  body?: ReceiptBody;
  market_public_key?: string; // hex
}

export class NotAReceipt extends Error {}

const hour_us = 3_600_000_000n;
const basis = 10_000n;
const hash = (...parts: Uint8Array[]) => {
  const digester = blake2b.create({ dkLen: 32 });
  for (const part of parts) digester.update(part);
  return digester.digest();
};
export const to_hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
const ascii = (text: string) => new TextEncoder().encode(text);
const same = (a: Uint8Array, b: Uint8Array) => a.length === b.length && a.every((byte, at) => byte === b[at]);
const least = (a: bigint, b: bigint) => (a < b ? a : b);
const most = (a: bigint, b: bigint) => (a > b ? a : b);
const rounded_up = (a: bigint, b: bigint) => (a + b - 1n) / b;
const money = format_money;

function from_base64(text: unknown): Uint8Array {
  if (typeof text !== 'string') throw new NotAReceipt('This file is not a receipt: `fallow receipt LEASE > FILE` writes one.');
  try {
    return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  } catch {
    throw new NotAReceipt('This file is not a receipt: its bytes are not base64.');
  }
}

// A wrong receipt; the sentence says what is wrong.
class Wrong extends Error {}
function must(holds: boolean, detail: () => string) {
  if (!holds) throw new Wrong(detail());
}

// `file`: the JSON of fallow.v1.Receipt. NotAReceipt when it is something else altogether.
export async function verify_receipt(file: string, verify?: Verify): Promise<Verdict> {
  let receipt: Record<string, unknown>;
  try {
    receipt = JSON.parse(file) as Record<string, unknown>;
  } catch {
    throw new NotAReceipt('This file is not a receipt: it is not JSON.');
  }
  if (receipt === null || typeof receipt !== 'object') throw new NotAReceipt('This file is not a receipt: it is no JSON object.');
  const stranger = Object.keys(receipt).find((name) => !['body', 'signature', 'market_public_key', 'marketPublicKey'].includes(name));
  if (stranger !== undefined) throw new NotAReceipt(`This file is not a receipt: receipts have no "${stranger}".`);
  const bytes = from_base64(receipt.body);
  const signature = from_base64(receipt.signature);
  const key = from_base64(receipt.market_public_key ?? receipt.marketPublicKey);
  const verdict: Verdict = { checks: [], ok: true, market_public_key: to_hex(key) };
  const is_signed = verify ?? (await best_verify());
  const check = async (name: string, run: () => string | Promise<string>) => {
    try {
      verdict.checks.push({ name, ok: true, detail: await run() });
    } catch (error) {
      const detail = error instanceof Wrong || error instanceof WireError ? error.message : 'it cannot be read';
      verdict.checks.push({ name, ok: false, detail });
      verdict.ok = false;
    }
  };

  await check("The market's signature", async () => {
    const signed = await is_signed(key, concat(ascii('fallow receipt v1'), bytes), signature);
    must(signed, () => "the market's signature does not fit its body");
    return 'Ed25519 over every byte of the bill';
  });
  await check('What it says can be read', () => {
    verdict.body = read_body(bytes);
    return `lease ${verdict.body.lease} of the market "${verdict.body.market_name}"`;
  });
  const body = verdict.body;
  if (!body) return verdict;
  await check("The node's meter records", () => check_meters(body, is_signed));
  await check('Their Merkle root', () => check_root(body));
  await check('The rate', () => check_rate(body));
  await check('The charge', () => check_charge(body));
  await check('Refund, fee and what is paid', () => check_rest(body));
  return verdict;
}

function concat(...parts: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export function meter_bytes(node_key: Uint8Array, of: Omit<MeterRecord, 'signature'>): Uint8Array {
  const { lease, sequence, running_us, measured_at_us, slowed_us, egress_bytes } = of;
  const version = egress_bytes !== 0n ? 3 : slowed_us !== 0n ? 2 : 1;
  const numbers = new DataView(new ArrayBuffer(20 + 8 * version));
  numbers.setBigUint64(0, lease, true);
  numbers.setUint32(8, Number(sequence), true);
  numbers.setBigInt64(12, running_us, true);
  numbers.setBigInt64(20, measured_at_us, true);
  if (version >= 2) numbers.setBigInt64(28, slowed_us, true);
  if (version >= 3) numbers.setBigInt64(36, egress_bytes, true);
  return concat(ascii(`fallow meter v${version}`), node_key, new Uint8Array(numbers.buffer));
}

async function check_meters(body: ReceiptBody, is_signed: Verify): Promise<string> {
  must(body.node_public_key.length === 32, () => "the node's public key has the wrong length");
  let running_us = 0n;
  let slowed_us = 0n;
  let egress_bytes = 0n;
  let sequence = 0n;
  for (const record of body.meters) {
    sequence += 1n;
    if (sequence % 64n === 0n) await new Promise((go_on) => setTimeout(go_on)); // the page stays alive
    must(record.lease === body.lease, () => 'a meter record belongs to another lease');
    must(record.sequence === sequence, () => `meter record ${sequence} is missing`);
    must(record.running_us >= running_us, () => `meter record ${sequence} goes back in time`);
    running_us = record.running_us;
    must(record.slowed_us >= slowed_us && record.slowed_us <= running_us, () => `meter record ${sequence} counts slowed time that cannot be`);
    slowed_us = record.slowed_us;
    must(record.egress_bytes >= egress_bytes, () => `meter record ${sequence} takes back what was sent`);
    egress_bytes = record.egress_bytes;
    const signed = meter_bytes(body.node_public_key, record);
    const fits = await is_signed(body.node_public_key, signed, record.signature);
    must(fits, () => `meter record ${sequence} is not signed by the node`);
  }
  must(running_us === body.proven_us, () => `${body.proven_us} µs are billed as proven, the meter records prove ${running_us} µs`);
  must(slowed_us === body.slowed_us, () => `${body.slowed_us} µs are said to be slowed down, the meter records say ${slowed_us} µs`);
  must(egress_bytes === body.egress_bytes, () => `${body.egress_bytes} bytes are said to be sent, the meter records say ${egress_bytes}`);
  return `${body.meters.length} records, each signed by the node, prove ${Number(body.proven_us) / 1e6} s`;
}

// RFC 6962 section 2.1 with BLAKE2b-256.
export function merkle_root(leaves: Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return hash();
  const subtrees: { leaves: number; root: Uint8Array }[] = [];
  const join = (left: Uint8Array, right: Uint8Array) => hash(Uint8Array.of(1), left, right);
  for (const leaf of leaves) {
    let added = { leaves: 1, root: hash(Uint8Array.of(0), leaf) };
    for (let last = subtrees[subtrees.length - 1]; last && last.leaves === added.leaves; last = subtrees[subtrees.length - 1]) {
      subtrees.pop();
      added = { leaves: last.leaves * 2, root: join(last.root, added.root) };
    }
    subtrees.push(added);
  }
  return subtrees.map((subtree) => subtree.root).reduceRight((right, left) => join(left, right));
}

function check_root(body: ReceiptBody): string {
  const leaves = body.meters.map((r) => concat(meter_bytes(body.node_public_key, r), r.signature));
  must(same(merkle_root(leaves), body.meters_root), () => 'the Merkle root of the meter records differs');
  return to_hex(body.meters_root);
}

// What is left of a device's price for who reaches this term.
function device_hour_for(body: ReceiptBody, time_us: bigint): bigint {
  const from_hours = [1n, 24n, 168n, 720n];
  let left = basis;
  from_hours.forEach((hours, at) => {
    if (time_us >= hours * hour_us) left = basis - body.discounts[at]!;
  });
  return rounded_up(body.device_hour_micros * left, basis);
}

// Devices and disk for an hour, each rounded up.
function rate_for(body: ReceiptBody, device_hour: bigint): bigint {
  const devices = BigInt(body.devices.length) * body.device_thousandths;
  return rounded_up(devices * device_hour, 1000n) + rounded_up(body.disk_mb * body.disk_gb_hour_micros, 1000n);
}

const billed_us = (body: ReceiptBody) => least(body.proven_us, body.time_us_max);

function check_rate(body: ReceiptBody): string {
  const amounts = [body.device_hour_micros, body.disk_gb_hour_micros, body.rate_hour_micros, body.hold_micros, body.time_us_max, body.charged_micros,
    body.refunded_micros, body.fee_micros, body.term_us, body.term_before_us, body.rerated_hour_micros, body.spot_floor_micros, body.spot_bid_micros, body.credited_micros,
    body.egress_gb_micros, body.egress_bytes_max, body.egress_bytes, body.egress_micros];
  must(amounts.every((amount) => amount >= 0n), () => 'an amount is negative');
  if (body.tier !== 'RESERVED') {
    must(body.rerated_hour_micros === 0n, () => 'it is re-rated, but had no term');
    return `${money(body.rate_hour_micros)} ${body.currency} per hour`;
  }
  const [hour, day, week, month] = body.discounts;
  must(month <= basis && week <= month && day <= week && hour <= day, () => 'its discounts are not in the order of their terms');
  const rate = rate_for(body, device_hour_for(body, body.term_us));
  must(rate === body.rate_hour_micros, () => `the rate is ${money(body.rate_hour_micros)} per hour, its prices less the term's discount come to ${money(rate)}`);
  let rerated = 0n;
  const by_renter = body.blame === 'BLAME_NONE' || body.blame === 'BLAME_RENTER';
  if (by_renter && !body.cut_short && body.reason !== 'TIME_LIMIT') {
    const reached = rate_for(body, device_hour_for(body, body.term_before_us + billed_us(body)));
    if (reached > rate) rerated = reached;
  }
  must(rerated === body.rerated_hour_micros, () => `it is re-rated to ${money(body.rerated_hour_micros)} per hour, the term really reached comes to ${money(rerated)}`);
  return `${money(most(rate, rerated))} ${body.currency} per hour for its term`;
}

// What the time of a spot lease costs: each run at its price, which lies between floor and bid.
function cost_of_runs(body: ReceiptBody): bigint {
  const floor = rate_for(body, body.spot_floor_micros);
  const bid = rate_for(body, body.spot_bid_micros);
  must(bid === body.rate_hour_micros, () => `the rate is ${money(body.rate_hour_micros)} per hour, its bid comes to ${money(bid)}`);
  let cost = 0n;
  let from = 0n;
  for (const run of body.price_runs) {
    must(run.until_us > from, () => 'its prices go back in time');
    must(run.rate_hour_micros >= floor && run.rate_hour_micros <= bid, () => `a price of ${money(run.rate_hour_micros)} is below its floor of ${money(floor)} or above its bid of ${money(bid)}`);
    cost += run.rate_hour_micros * (run.until_us - from);
    from = run.until_us;
  }
  must(from === billed_us(body), () => `its prices are of ${from} µs, ${billed_us(body)} µs are billed`);
  return cost / hour_us;
}

// So many bytes at the lease's price for 10^9 of them. What is held for them pays for no time.
const egress_cost = (body: ReceiptBody, bytes: bigint) => (body.egress_gb_micros * bytes) / 1_000_000_000n;

// Of a price before the market's fee: that fee, and what of it the renter is let off.
function fees_of(body: ReceiptBody, gross: bigint) {
  const whole_fee = (gross * body.fee_basis_points) / basis;
  return { gross, whole_fee, let_off: (whole_fee * body.volume_basis_points) / basis };
}

function amounts_of(body: ReceiptBody) {
  const rate = most(body.rate_hour_micros, body.rerated_hour_micros);
  let cost = (rate * billed_us(body)) / hour_us;
  if (body.tier === 'SPOT') cost = cost_of_runs(body);
  else must(body.price_runs.length === 0, () => 'it has prices of intervals, but is no spot lease');
  const of_time = least(body.hold_micros - egress_cost(body, body.egress_bytes_max), cost);
  return { ...fees_of(body, of_time + body.egress_micros), of_time };
}

function check_egress(body: ReceiptBody) {
  const cost = egress_cost(body, least(body.egress_bytes, body.egress_bytes_max));
  must(cost === body.egress_micros, () => `what was sent is charged ${money(body.egress_micros)}, its bytes come to ${money(cost)}`);
  must(egress_cost(body, body.egress_bytes_max) <= body.hold_micros, () => 'its hold does not cover what it may send');
}

function check_charge(body: ReceiptBody): string {
  must(body.fee_basis_points <= basis, () => "the market's fee is more than all that it is taken of");
  check_egress(body);
  const { gross, let_off } = amounts_of(body);
  must(body.volume_basis_points <= basis && let_off === body.volume_discount_micros, () => `the volume discount is ${money(body.volume_discount_micros)}, its share of the fee comes to ${money(let_off)}`);
  must(gross - let_off === body.charged_micros, () => `the charge is ${money(body.charged_micros)}, the proven time at its rate${body.egress_micros > 0n ? ' and what was sent' : ''} comes to ${money(gross - let_off)}`);
  const sent = body.egress_micros > 0n ? ` and ${Number(body.egress_bytes) / 1e9} GB sent` : '';
  return `${money(body.charged_micros)} ${body.currency} for ${Number(billed_us(body)) / 1e6} s${sent}`;
}

// Of all other endings what is refunded is the credit alone.
const has_refunding_end = (body: ReceiptBody) => body.blame === 'BLAME_PROVIDER' || body.reason === 'MARKET_FAULT';

// What the provider gives back for devices that were slowed down, of the price of the time: beside a refund, nothing.
function check_credit(body: ReceiptBody, of_time: bigint) {
  must(body.slow_basis_points <= basis && body.credit_basis_points_max <= basis, () => 'a share of its credit is more than all');
  let credit = 0n;
  if (!has_refunding_end(body) && body.proven_us > 0n) {
    const slowed_us = most(body.slowed_us, (body.proven_us * body.slow_basis_points) / basis);
    const { whole_fee, let_off } = fees_of(body, of_time);
    const charged = of_time - let_off;
    const whole = rounded_up(charged * slowed_us, body.proven_us);
    credit = least(whole, least((charged * body.credit_basis_points_max) / basis, of_time - whole_fee));
  }
  must(credit === body.credited_micros, () => `the credit is ${money(body.credited_micros)}, that of its slowed time comes to ${money(credit)}`);
}

function check_rest(body: ReceiptBody): string {
  const { of_time, whole_fee, let_off } = amounts_of(body);
  check_credit(body, of_time);
  must(body.refunded_micros <= body.charged_micros, () => 'more is refunded than was charged');
  must(body.blame !== 'BLAME_PROVIDER' || body.refunded_micros === body.charged_micros, () => 'the provider is to blame, but not all of the charge is refunded');
  must(has_refunding_end(body) || body.refunded_micros === body.credited_micros, () => 'a refund stands beside an ending that gives none');
  must(body.paid_micros === body.charged_micros - body.refunded_micros, () => 'what is paid is not the charge less the refund');
  const fee = body.blame === 'BLAME_PROVIDER' ? 0n : whole_fee - let_off;
  must(body.blame === 'BLAME_MARKET' || fee === body.fee_micros, () => `the market's fee is ${money(body.fee_micros)}, its share comes to ${money(fee)}`);
  return `${money(body.paid_micros)} ${body.currency} paid, ${money(body.refunded_micros)} refunded`;
}
