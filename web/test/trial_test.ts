import { describe, expect, it } from 'vitest';

import type { PolicyTrial } from '../src/api/client';
import { trial_changes, trial_rows, trial_words } from '../src/lib/trial';

const figures = (more: object) => ({ orders: '10', orders_refused: '0', orders_placed: '9', orders_waiting: '1', wait_seconds_mean: 30, leases: '12', leases_lost: '1', leases_preempted: '0', tasks_done: '9', tasks_failed: '0', charged: '9000000000000.000001', refunded: '0.00', fee: '0.45', earned: '8.55', ...more });
const trial = {
  state: 'TRIAL_DONE',
  fact: figures({}),
  now: figures({}),
  tried: figures({ orders_waiting: '0', charged: '9000000000000.000002' }),
  difference: { orders_refused_only_now: '0', orders_refused_only_tried: '0', orders_placed_only_now: '0', orders_placed_only_tried: '1', orders_sooner: '2', orders_later: '0', orders_cheaper: '0', orders_dearer: '0' },
  present: { fee_basis_points: 500, waits_for_fence: true, close_after_us: '30000000', volume_discounts: [] },
  policy: { fee_basis_points: 725, waits_for_fence: false, close_after_us: '30000000', volume_discounts: [] },
  notes: [],
} as unknown as PolicyTrial;

describe('a trial of rules', () => {
  it('puts figures side by side and marks those that differ, to the micro', () => {
    const rows = trial_rows(trial);
    expect(rows.filter((row) => row.differs).map((row) => row.name)).toEqual(['Orders that wait at the end', 'Charged']);
    expect(rows.find((row) => row.name === 'Charged')!.tried).toMatch(/000\.000002$/);
    expect(trial_rows({ ...trial, tried: undefined })).toEqual([]);
  });
  it('says what differs, and only that', () => {
    expect(trial_words(trial)).toEqual(['1 order: placed that finds no place now', '2 orders: placed sooner']);
    expect(trial_words({ ...trial, difference: undefined })).toEqual([]);
  });
  it('says what was tried', () => {
    expect(trial_changes(trial)).toEqual(["Market's fee: 5 → 7.25 %", 'Tasks wait for fences: on → off']);
    expect(trial_changes({ ...trial, policy: trial.present })).toEqual([]);
  });
});
