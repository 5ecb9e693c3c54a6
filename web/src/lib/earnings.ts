// What a provider earned, by day (UTC) and by device, as the market sums it up: the same money that is paid out.
import type { Earnings } from '../api/client';
import { micros_of } from './money';

export interface Day {
  day: string; // "2026-11-21", UTC
  micros: bigint;
}

export const days_shown_max = 400;
const days_shown_min = 14;
const day_ms = 86_400_000;

export const utc_day = (at: Date) => at.toISOString().slice(0, 10);
// The first of the days that are asked for.
export const first_day = (now: Date) => utc_day(new Date(now.getTime() - (days_shown_max - 1) * day_ms));

// The days up to today, the empty ones, too, from the first that earned anything: at least a fortnight.
export function all_days(rows: Earnings[], now: Date): Day[] {
  const known = new Map(rows.map(({ day, earned }) => [day, micros_of(earned)]));
  const first = [...known.keys()].sort()[0];
  if (first === undefined) return [];
  const days: Day[] = [];
  for (let at = now.getTime(); days.length < days_shown_max; at -= day_ms) {
    const day = utc_day(new Date(at));
    if (days.length >= days_shown_min && day < first) break;
    days.unshift({ day, micros: known.get(day) ?? 0n });
  }
  return days;
}

export const sum_days = (days: Day[]) => days.reduce((sum, { micros }) => sum + micros, 0n);

// Most first.
export const by_most = (rows: Earnings[]): Earnings[] =>
  [...rows].sort((a, b) => {
    const [left, right] = [micros_of(a.earned), micros_of(b.earned)];
    return left > right ? -1 : left < right ? 1 : 0;
  });
