// The market's rules as people read and write them: decimals of integers, without floating point.
import type { Known, Schemas } from '../api/client';
import { format_money, parse_money, show_money } from './money';
import { show_seconds } from './time';
import type { Rule } from './words';

const decimals = { s: 6, '%': 2, count: 0 } as const;

export function rule_text(value: string | number | undefined, unit: Rule['unit']): string {
  const digits = String(value ?? '0').padStart(decimals[unit] + 1, '0');
  const whole = digits.slice(0, digits.length - decimals[unit]);
  const rest = decimals[unit] ? digits.slice(-decimals[unit]).replace(/0+$/, '') : '';
  return rest ? `${whole}.${rest}` : whole;
}

// Null: no value that this rule can have.
export function rule_value(text: string, unit: Rule['unit']): string | null {
  const match = /^(\d{1,12})(?:\.(\d+))?$/.exec(text.trim());
  if (!match || (match[2]?.length ?? 0) > decimals[unit]) return null;
  return (match[1]! + (match[2] ?? '').padEnd(decimals[unit], '0')).replace(/^0+(?=\d)/, '');
}

// What a value comes to, in words; empty where the figure says it already.
export function rule_words(value: string | number | undefined, rule: Rule): string {
  const amount = Number(value ?? 0);
  if (amount === 0) return rule.zero ?? '';
  return rule.unit === 's' && amount >= 60e6 ? show_seconds(amount / 1e6) : '';
}

// A volume discount as it is edited.
export interface DiscountForm {
  spent: string; // money
  percent: string; // of the fee
}
const discounts_max = 8;

export const discount_forms = (discounts: Schemas['VolumeDiscount'][]): DiscountForm[] => discounts.map((one) => ({ spent: format_money(BigInt(one.spent_micros_min ?? 0)), percent: rule_text(one.fee_basis_points, '%') }));

// The discounts, or what is wrong with them: the market takes no others.
export function discounts_of(forms: DiscountForm[]): Known<Schemas['VolumeDiscount']>[] | string {
  if (forms.length > discounts_max) return `At most ${discounts_max} discounts.`;
  const discounts: Known<Schemas['VolumeDiscount']>[] = [];
  let before = { spent: -1n, points: 0 };
  for (const form of forms) {
    const spent = parse_money(form.spent);
    const points = rule_value(form.percent, '%');
    if (spent === null || spent < 0n) return `“${form.spent}” is no amount such as 100.00.`;
    if (points === null || Number(points) > 10_000) return `“${form.percent}” is no percentage of the fee.`;
    if (spent <= before.spent) return 'Each discount is for more spending than the one before.';
    if (Number(points) < before.points) return 'Who spends more is let off no less.';
    before = { spent, points: Number(points) };
    discounts.push({ spent_micros_min: String(spent), fee_basis_points: before.points });
  }
  return discounts;
}

// "who spent 100.00 within 30 days is let off 10 % of the fee"
export const discount_words = (discount: Schemas['VolumeDiscount'], currency: string) =>
  `Who spent ${show_money(BigInt(discount.spent_micros_min ?? 0))} ${currency} within 30 days is let off ${rule_text(discount.fee_basis_points, '%')} % of the fee.`;
