// What became of a task: its leases in order, and the checkpoint that each of them began with.
import type { Lease } from '../api/client';
import { show_moment } from './time';
import { plural } from './words';

// A checkpoint that an attempt was given. Of one whose lease is not listed no more than the time is known.
export interface Origin {
  at: string;
  attempt?: number; // that saved it
  sequence?: number; // of that attempt's checkpoints
}

export interface Attempt {
  lease: Lease;
  former?: Lease; // the attempt before it, if that is listed
  from: Origin | null | undefined; // null: it began anew; undefined: not known
}

export function attempts_of(leases: Lease[], task: number): Attempt[] {
  const attempts: Attempt[] = [];
  let saved: Attempt['from']; // by the end of the attempt before
  for (const lease of leases.filter((one) => one.task === task).sort((a, b) => a.attempt - b.attempt)) {
    const before = attempts[attempts.length - 1]?.lease;
    const former = before?.attempt === lease.attempt - 1 ? before : undefined;
    let from: Attempt['from'];
    if (lease.attempt === 1) from = null;
    else if (former) from = saved;
    // What it has not saved itself it was given.
    if (from === undefined && lease.checkpoints === 0) from = lease.checkpoint_at ? { at: lease.checkpoint_at } : null;
    attempts.push({ lease, former, from });
    saved = lease.checkpoints > 0 ? { at: lease.checkpoint_at ?? '', attempt: lease.attempt, sequence: lease.checkpoints } : from;
  }
  return attempts;
}

export const node_text = (lease: Lease) => lease.node_name || `node ${lease.node}`;

// "Moved from barn to attic."
export function move_words({ lease, former }: Attempt): string {
  if (!former) return '';
  return former.node === lease.node ? `Again on ${node_text(lease)}.` : `Moved from ${node_text(former)} to ${node_text(lease)}.`;
}

export function origin_words({ lease, from }: Attempt): string {
  if (from === undefined || (from === null && lease.attempt === 1)) return '';
  if (from === null) return 'Began anew: nothing was saved before.';
  const which = from.attempt === undefined ? "the task's checkpoint" : `checkpoint ${from.sequence} of attempt ${from.attempt}`;
  return `Began with ${which}, saved ${show_moment(from.at)}.`;
}

export const saved_words = (lease: Lease) => (lease.checkpoints === 0 ? 'Saved no checkpoint.' : `Saved ${plural(lease.checkpoints, 'checkpoint')}, the last ${show_moment(lease.checkpoint_at)}.`);
