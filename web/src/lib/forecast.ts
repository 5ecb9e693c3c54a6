// What is likely of a class in the hours to come. Shares and devices, no money: these may round.
import type { Schemas } from '../api/client';

// Of ten cases one is below `low`, one above `high`, and half of them are below `likely`.
export interface Likely {
  low: number;
  likely: number;
  high: number;
}

export interface Hour {
  at: number; // it begins, seconds since 1970
  free_share: Likely; // of what is offered, 0 to 1
  offered: Likely; // devices
  demand: Likely; // devices in use or waited for
}

const likely_of = (view: Schemas['LikelyView'] | undefined): Likely => ({ low: view?.p10 ?? 0, likely: view?.p50 ?? 0, high: view?.p90 ?? 0 });

export const hour_of = (view: Schemas['ForecastView']): Hour => ({
  at: Date.parse(view.at ?? '') / 1000,
  free_share: likely_of(view.free_share),
  offered: likely_of(view.devices_offered),
  demand: likely_of(view.demand),
});

export const free_devices = (hour: Hour) => hour.offered.likely * hour.free_share.likely;

// By free devices, the surer first where as many are expected, then the earlier: the order of `fallow forecast`.
export function best_hours(hours: Hour[], count: number): Hour[] {
  const devices = (hour: Hour) => Math.round(10 * free_devices(hour));
  const sureness = (hour: Hour) => Math.round(100 * hour.free_share.low);
  return [...hours].sort((a, b) => devices(b) - devices(a) || sureness(b) - sureness(a) || a.at - b.at).slice(0, count);
}

export const percent_text = (share: number) => `${(100 * share).toFixed(0)} %`;
export const percent_band = (share: Likely) => `${(100 * share.low).toFixed(0)}–${(100 * share.high).toFixed(0)} %`;
export const devices_band = (devices: Likely) => `${devices.low.toFixed(1)}–${devices.high.toFixed(1)}`;
