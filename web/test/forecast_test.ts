import { describe, expect, it } from 'vitest';

import { best_hours, devices_band, free_devices, hour_of, percent_band, percent_text } from '../src/lib/forecast';

const view = (at: string, free: [number, number, number], offered = 2) => {
  const [p10, p50, p90] = free;
  return { at, model: 'rtx_4090', region: 'eu', free_share: { p10, p50, p90 }, devices_offered: { p10: offered, p50: offered, p90: offered }, demand: { p10: 0.25, p50: 1, p90: 1.5 } };
};

describe('a forecast', () => {
  it('is read hour by hour', () => {
    const hour = hour_of(view('2026-11-22T14:00:00Z', [0.2, 0.5, 0.75]));
    expect(hour.at).toBe(Date.UTC(2026, 10, 22, 14) / 1000);
    expect(free_devices(hour)).toBe(1);
    expect([percent_text(hour.free_share.likely), percent_band(hour.free_share), devices_band(hour.demand)]).toEqual(['50 %', '20–75 %', '0.3–1.5']);
  });
  it('is nothing where the market left it out', () => {
    expect(hour_of({ at: '2026-11-22T14:00:00Z' })).toMatchObject({ free_share: { low: 0, likely: 0, high: 0 }, demand: { likely: 0 } });
  });
});

describe('the best hours', () => {
  const hours = [
    hour_of(view('2026-11-22T10:00:00Z', [0.1, 0.5, 0.9])),
    hour_of(view('2026-11-22T11:00:00Z', [0.2, 0.9, 1])),
    hour_of(view('2026-11-22T12:00:00Z', [0.8, 0.9, 1])),
    hour_of(view('2026-11-22T13:00:00Z', [0.8, 0.9, 1])),
    hour_of(view('2026-11-22T14:00:00Z', [0.9, 1, 1], 1)),
  ];
  const utc = (count: number) => best_hours(hours, count).map((hour) => new Date(hour.at * 1000).getUTCHours());
  it('have the most free devices, then the surest, then come first', () => {
    expect(utc(5)).toEqual([12, 13, 11, 14, 10]);
    expect(utc(2)).toEqual([12, 13]);
  });
  it('leave the hours themselves in order', () => {
    best_hours(hours, 5);
    expect(hours.map((hour) => new Date(hour.at * 1000).getUTCHours())).toEqual([10, 11, 12, 13, 14]);
    expect(best_hours([], 5)).toEqual([]);
  });
});
