// The market's rules as people read and write them: decimals of integers, without floating point.
import type { Schemas } from '../api/client';
import { show_money } from './money';
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

// "who spent 100.00 within 30 days is let off 10 % of the fee"
export const discount_words = (discount: Schemas['VolumeDiscount'], currency: string) =>
  `Who spent ${show_money(BigInt(discount.spent_micros_min ?? 0))} ${currency} within 30 days is let off ${rule_text(discount.fee_basis_points, '%')} % of the fee.`;
