import { describe, expect, it } from 'vitest';

import type { Lease } from '../src/api/client';
import { attempts_of, move_words, origin_words, saved_words } from '../src/lib/attempts';
import { joined_files } from '../src/lib/manifest';
import { show_moment } from '../src/lib/time';

const first = '2026-11-22T10:00:00Z';
const second = '2026-11-22T11:00:00Z';
const lease = (attempt: number, of: Partial<Lease>): Lease => ({ id: String(100 + attempt), order: '7', task: 0, attempt, node: '1', node_name: 'barn', checkpoints: 0, checkpoint_manifest: '', ...of }) as Lease;
const words = (leases: Lease[]) => attempts_of(leases, 0).map((one) => [move_words(one), origin_words(one), saved_words(one.lease)].filter(Boolean).join(' '));

describe('the attempts of a task', () => {
  it('are told in order: where it moved, what it began with, what it saved', () => {
    const leases = [
      lease(3, { node: '2', node_name: 'attic', checkpoints: 1, checkpoint_at: second, checkpoint_manifest: 'b' }),
      lease(2, { node: '2', node_name: 'attic', checkpoint_at: first, checkpoint_manifest: 'a' }),
      lease(1, { checkpoints: 4, checkpoint_at: first, checkpoint_manifest: 'a' }),
      lease(1, { task: 1, node_name: 'elsewhere' }),
    ];
    expect(words(leases)).toEqual([
      `Saved 4 checkpoints, the last ${show_moment(first)}.`,
      `Moved from barn to attic. Began with checkpoint 4 of attempt 1, saved ${show_moment(first)}. Saved no checkpoint.`,
      // The one before it saved nothing, so what it was given goes on.
      `Again on attic. Began with checkpoint 4 of attempt 1, saved ${show_moment(first)}. Saved 1 checkpoint, the last ${show_moment(second)}.`,
    ]);
  });
  it('say that nothing was saved before', () => {
    expect(words([lease(1, {}), lease(2, { node: '9', node_name: '' })])[1]).toBe('Moved from barn to node 9. Began anew: nothing was saved before. Saved no checkpoint.');
  });
  it('claim nothing of what is not listed', () => {
    // A provider sees its own leases alone.
    expect(words([lease(2, { checkpoint_at: first, checkpoint_manifest: 'a' })])).toEqual([`Began with the task's checkpoint, saved ${show_moment(first)}. Saved no checkpoint.`]);
    expect(words([lease(2, { checkpoints: 2, checkpoint_at: second, checkpoint_manifest: 'b' })])).toEqual([`Saved 2 checkpoints, the last ${show_moment(second)}.`]);
    expect(words([lease(1, { checkpoints: 1, checkpoint_at: first }), lease(3, { checkpoints: 2, checkpoint_at: second })])[1]).toBe(`Saved 2 checkpoints, the last ${show_moment(second)}.`);
    expect(attempts_of([], 0)).toEqual([]);
  });
});

describe('the files of a checkpoint', () => {
  const piece = (path: string, bytes: number) => ({ path, bytes, digest: `digest of ${path}`, executable: false });
  it('are joined of their pieces', () => {
    expect(joined_files([piece('a/notes/00000000', 0), piece('a/state/00000000', 1_048_576), piece('a/state/00000001', 7), piece('b/00000000', 3)])).toEqual([
      { path: 'a/notes', bytes: 0, pieces: ['digest of a/notes/00000000'] },
      { path: 'a/state', bytes: 1_048_583, pieces: ['digest of a/state/00000000', 'digest of a/state/00000001'] },
      { path: 'b', bytes: 3, pieces: ['digest of b/00000000'] },
    ]);
  });
  it('may have names of digits', () => {
    expect(joined_files([piece('00000000/00000000', 1), piece('00000001/00000000', 2)]).map((file) => file.path)).toEqual(['00000000', '00000001']);
  });
});
