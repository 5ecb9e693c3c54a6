// What a node asks for, as its owner's form holds it: text as it is typed. The market sets an offer as a whole,
// so the form has every term, and who changes one sends all.
import type { NodeOfMarket, Schemas } from '../api/client';
import { micros_of, parse_money } from './money';

export interface OfferForm {
  kind: 'fixed' | 'follows';
  price: string;
  floor: string;
  ceiling: string;
  disk: string;
  egress: string;
  spot: string;
  share: string; // empty: whole devices
  hours: string; // empty: no limit
  hour: string; // percent off by term
  day: string;
  week: string;
  month: string;
}
export type OfferTerm = Exclude<keyof OfferForm, 'kind'>;

const percent_max = 50;

export function form_of_offer(offer: NodeOfMarket['offer']): OfferForm {
  const percent = (points: number | undefined) => (points ? String(points / 100) : '');
  return {
    kind: offer?.price_ceiling_per_hour ? 'follows' : 'fixed',
    price: offer?.price_per_hour ?? '',
    floor: offer?.price_floor_per_hour ?? '',
    ceiling: offer?.price_ceiling_per_hour ?? '',
    disk: offer && micros_of(offer.disk_price_per_gb_hour) > 0n ? offer.disk_price_per_gb_hour : '',
    egress: offer?.egress_price_per_gb ?? '',
    spot: offer?.spot_floor_set_per_hour ?? '',
    share: offer && offer.share_min < 1 ? String(offer.share_min) : '',
    hours: offer && offer.hours_max > 0 ? String(offer.hours_max) : '',
    hour: percent(offer?.discounts?.hour_basis_points),
    day: percent(offer?.discounts?.day_basis_points),
    week: percent(offer?.discounts?.week_basis_points),
    month: percent(offer?.discounts?.month_basis_points),
  };
}

const decimal = /^(\d+\.?\d*|\.\d+)$/;
const is_amount = (text: string) => (parse_money(text) ?? -1n) >= 0n;
const points_of = (text: string) => Math.round(Number(text || '0') * 100);

// What is wrong with a term; null: nothing.
export function wrong_term(form: OfferForm, term: OfferTerm): string | null {
  const text = form[term];
  switch (term) {
    case 'share':
      return text === '' || (decimal.test(text) && Number(text) > 0 && Number(text) <= 1) ? null : 'More than 0, at most 1.';
    case 'hours':
      return text === '' || decimal.test(text) ? null : 'A number of hours.';
    case 'hour':
    case 'day':
    case 'week':
    case 'month':
      return text === '' || (decimal.test(text) && Number(text) <= percent_max) ? null : `At most ${percent_max}.`;
    default: {
      const needed = term === (form.kind === 'fixed' ? 'price' : 'ceiling');
      if (text === '') return needed ? 'An amount is needed.' : null;
      return is_amount(text) ? null : 'An amount such as 0.35.';
    }
  }
}

const terms: OfferTerm[] = ['disk', 'egress', 'spot', 'share', 'hours', 'hour', 'day', 'week', 'month'];
export const is_wrong_offer = (form: OfferForm) => [...terms, ...(form.kind === 'fixed' ? (['price'] as const) : (['floor', 'ceiling'] as const))].some((term) => wrong_term(form, term) !== null);

// All of the offer but its node. A price that follows begins, where there is no index yet, at the present one.
export function request_of_offer(form: OfferForm): Omit<Schemas['SetOfferRequest'], 'node'> {
  const discounts = { hour_basis_points: points_of(form.hour), day_basis_points: points_of(form.day), week_basis_points: points_of(form.week), month_basis_points: points_of(form.month) };
  return {
    price_per_hour: form.kind === 'fixed' || is_amount(form.price) ? form.price : '',
    ...(form.kind === 'follows' ? { price_floor_per_hour: form.floor, price_ceiling_per_hour: form.ceiling } : {}),
    disk_price_per_gb_hour: form.disk,
    egress_price_per_gb: form.egress,
    spot_floor_per_hour: form.spot,
    share_min: form.share === '' ? 1 : Number(form.share),
    hours_max: Number(form.hours || '0'),
    ...(Object.values(discounts).some((points) => points > 0) ? { discounts } : {}),
  };
}
