import { describe, expect, it } from 'vitest';

import type { NodeOfMarket } from '../src/api/client';
import { form_of_offer, is_wrong_offer, request_of_offer, wrong_term } from '../src/lib/offer_form';

const offer = {
  price_per_hour: '0.25',
  price_floor_per_hour: '0.20',
  price_ceiling_per_hour: '0.60',
  disk_price_per_gb_hour: '0.01',
  egress_price_per_gb: '0.02',
  spot_floor_per_hour: '0.25',
  spot_floor_set_per_hour: '0.40', // the index has fallen below it
  share_min: 0.334,
  hours_max: 1.7,
  discounts: { hour_basis_points: 150, day_basis_points: 500, week_basis_points: 1000, month_basis_points: 1000 },
} as NonNullable<NodeOfMarket['offer']>;

describe('an offer', () => {
  it('is sent with every term that it has when one is changed', () => {
    const { spot_floor_per_hour, spot_floor_set_per_hour, ...same } = offer;
    expect(request_of_offer(form_of_offer(offer))).toEqual({ ...same, spot_floor_per_hour: spot_floor_set_per_hour });
    expect(request_of_offer({ ...form_of_offer(offer), kind: 'fixed', price: '0.30', hour: '' })).toEqual({
      price_per_hour: '0.30',
      disk_price_per_gb_hour: '0.01',
      egress_price_per_gb: '0.02',
      spot_floor_per_hour: '0.40',
      share_min: 0.334,
      hours_max: 1.7,
      discounts: { ...offer.discounts, hour_basis_points: 0 },
    });
  });
  it('asks for nothing that was not said', () => {
    const form = { ...form_of_offer(undefined), price: '0.35' };
    expect(request_of_offer(form)).toEqual({ price_per_hour: '0.35', disk_price_per_gb_hour: '', egress_price_per_gb: '', spot_floor_per_hour: '', share_min: 1, hours_max: 0 });
    const plain = { ...offer, price_floor_per_hour: '', price_ceiling_per_hour: '', disk_price_per_gb_hour: '0.00', egress_price_per_gb: '', spot_floor_set_per_hour: '', share_min: 1, hours_max: 0, discounts: undefined };
    expect(form_of_offer(plain)).toEqual({ ...form_of_offer(undefined), price: '0.25' });
  });
  it('says what is wrong with a term', () => {
    const form = form_of_offer(offer);
    expect(is_wrong_offer(form)).toBe(false);
    for (const [term, text] of [['ceiling', ''], ['floor', 'x'], ['disk', '-1'], ['egress', 'much'], ['share', '0'], ['share', '1.1'], ['hours', 'a day'], ['hour', '51'], ['week', '1e1']] as const) {
      expect(wrong_term({ ...form, [term]: text }, term), `${term} ${text}`).not.toBeNull();
      expect(is_wrong_offer({ ...form, [term]: text })).toBe(true);
    }
    expect(is_wrong_offer({ ...form, kind: 'fixed', ceiling: '', floor: 'x' })).toBe(false);
  });
});
