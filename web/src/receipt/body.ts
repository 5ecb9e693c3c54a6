// ReceiptBody (proto/fallow/v1/receipt.proto) as values. Field numbers are for ever.
import type { Schemas } from '../api/client';
import { Message } from './wire';

export const blames = ['BLAME_NONE', 'BLAME_RENTER', 'BLAME_PROVIDER', 'BLAME_OWNER', 'BLAME_MARKET'] as const satisfies readonly Schemas['Blame'][];
export const reasons = [
  'END_REASON_UNSPECIFIED', 'COMPLETED', 'EXIT_CODE', 'OUT_OF_MEMORY', 'TIME_LIMIT', 'FUNDS', 'STOPPED', 'INPUT_INVALID',
  'DISK_LIMIT', 'DEVICE_FAULT', 'HOST_LOST', 'START_FAILED', 'WORKLOAD_LOST', 'NODE_WITHDRAWN', 'OWNER_RETURNED', 'PREEMPTED', 'MARKET_FAULT',
  'GANG_FAILED', 'GANG_LOST', 'GANG_BROKEN',
] as const satisfies readonly Schemas['EndReason'][];
// Their numbers do not follow on those above.
export const later_reasons = { 60: 'IMAGE_UNAVAILABLE', 270: 'STORE_FULL' } as const satisfies Record<number, Schemas['EndReason']>;
type Reason = (typeof reasons)[number] | (typeof later_reasons)[keyof typeof later_reasons];
const reason_of = (n: number): Reason => reasons[n] ?? (later_reasons as Record<number, Reason>)[n] ?? 'END_REASON_UNSPECIFIED';
export const tiers = ['TIER_UNSPECIFIED', 'ON_DEMAND', 'RESERVED', 'SPOT'] as const satisfies readonly Schemas['Tier'][];

// A value that the schema has and a list above has not is a type error here.
type Unread = Exclude<Schemas['EndReason'], Reason> | Exclude<Schemas['Blame'], (typeof blames)[number]> | Exclude<Schemas['Tier'], (typeof tiers)[number]>;
export const unread: Unread[] = [];

export interface MeterRecord {
  lease: bigint;
  sequence: bigint;
  running_us: bigint;
  measured_at_us: bigint;
  signature: Uint8Array;
  slowed_us: bigint;
  egress_bytes: bigint;
}

export type ReceiptBody = ReturnType<typeof read_body>;

export function read_body(bytes: Uint8Array) {
  const m = new Message(bytes);
  const discounts = m.messages(36)[0];
  const discount = (n: number) => discounts?.unsigned(n) ?? 0n;
  return {
    market_name: m.text(1),
    currency: m.text(2),
    lease: m.unsigned(3),
    order: m.unsigned(4),
    task: m.unsigned(5),
    attempt: m.unsigned(6),
    renter: m.unsigned(7),
    provider: m.unsigned(8),
    node: m.unsigned(9),
    node_public_key: m.bytes(10),
    devices: m.messages(11).map((d) => ({ model: d.text(3), memory_mb: d.unsigned(5) })),
    device_thousandths: m.unsigned(12),
    device_hour_micros: m.signed(13),
    disk_gb_hour_micros: m.signed(14),
    disk_mb: m.unsigned(15),
    rate_hour_micros: m.signed(16),
    fee_basis_points: m.unsigned(17),
    hold_micros: m.signed(18),
    placed_at_us: m.signed(19),
    started_at_us: m.signed(20),
    ended_at_us: m.signed(21),
    reason: reason_of(Number(m.unsigned(22))),
    blame: blames[Number(m.unsigned(23))] ?? 'BLAME_NONE',
    meters: m.messages(24).map((r): MeterRecord => ({
      lease: r.unsigned(1), sequence: r.unsigned(2), running_us: r.signed(3), measured_at_us: r.signed(4), signature: r.bytes(5), slowed_us: r.signed(160), egress_bytes: r.signed(360),
    })),
    meters_root: m.bytes(25),
    proven_us: m.signed(26),
    charged_micros: m.signed(27),
    refunded_micros: m.signed(28),
    fee_micros: m.signed(29),
    paid_micros: m.signed(30),
    time_us_max: m.signed(34),
    tier: tiers[Number(m.unsigned(35))] ?? 'TIER_UNSPECIFIED',
    discounts: [discount(1), discount(2), discount(3), discount(4)] as [bigint, bigint, bigint, bigint],
    term_us: m.signed(37),
    term_before_us: m.signed(38),
    cut_short: m.unsigned(39) !== 0n,
    rerated_hour_micros: m.signed(40),
    volume_basis_points: m.unsigned(41),
    volume_discount_micros: m.signed(42),
    price_runs: m.messages(43).map((r) => ({ rate_hour_micros: r.signed(1), until_us: r.signed(2) })),
    spot_bid_micros: m.signed(44),
    spot_floor_micros: m.signed(45),
    image_digest: m.bytes(60),
    credited_micros: m.signed(160),
    slowed_us: m.signed(161),
    slow_basis_points: m.unsigned(162),
    credit_basis_points_max: m.unsigned(163),
    egress_gb_micros: m.signed(360),
    egress_bytes_max: m.signed(361),
    egress_bytes: m.signed(362),
    egress_micros: m.signed(363),
  };
}
