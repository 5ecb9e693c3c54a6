// What stands behind a node's reliability: its leases that ended, by whose doing. The market's own sum,
// done again (docs/market.md).
import type { Lease } from '../api/client';
import { seconds_of } from './time';

export interface Evidence {
  kept: number; // ended otherwise than by this node's doing
  counted: number; // what the kept ones count for
  broken: number;
  reasons: { reason: Lease['reason']; blame: Lease['blame']; count: number }[]; // of those that broke, most first
  reliability: number; // that these leases alone come to
}

// A gang that one node failed is lost on all of its nodes; it counts against that one alone.
const is_broken = (lease: Lease) => (lease.blame === 'BLAME_PROVIDER' || lease.blame === 'BLAME_OWNER') && lease.reason !== 'GANG_LOST';

const whole_s = 600; // of proven time, and a kept lease counts for whole

// `weighed`: by the market's rule a kept lease counts by its time, and none of its provider's own counts.
export function evidence_of(leases: Lease[], weighed?: { provider: string }): Evidence {
  const ended = leases.filter((lease) => lease.state === 'ENDED' && !(weighed && lease.account === weighed.provider));
  const broken = ended.filter(is_broken);
  const counts = new Map<string, Evidence['reasons'][number]>();
  for (const { reason, blame } of broken) {
    const known = counts.get(reason) ?? { reason, blame, count: 0 };
    counts.set(reason, { ...known, count: known.count + 1 });
  }
  const kept = ended.length - broken.length;
  // A new node counts as if it had kept 19 of 20; the market rounds down to millionths.
  const kept_us = ended.filter((lease) => !is_broken(lease)).reduce((sum, lease) => sum + Math.round(Math.min(seconds_of(lease.proven), whole_s) * 1e6), 0);
  const counted = weighed ? Math.floor(kept_us / (whole_s * 1e6)) : kept;
  const reliability = Math.floor(((19 + counted) * 1e6) / (20 + counted + broken.length)) / 1e6;
  return { kept, counted, broken: broken.length, reasons: [...counts.values()].sort((a, b) => b.count - a.count), reliability };
}
