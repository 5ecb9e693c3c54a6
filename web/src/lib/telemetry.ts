// What devices and workloads do, as lines and in words. What was not told stays unknown: it is never 0.
import type { Schemas } from '../api/client';

export type Sample = Schemas['TelemetrySample'];
export type DeviceSample = Schemas['DeviceSample'];
export type WorkloadSample = Schemas['WorkloadSample'];
export type HostSample = Schemas['HostSample'];

// What was measured at a moment or, with the most of it, in the minute before.
export interface Point {
  at: number; // seconds since 1970, by the market's clock
  mean: Sample;
  most?: Sample;
}

const seconds_at = (text: string | undefined) => Date.parse(text ?? '') / 1000;
export const point_of = (view: Schemas['TelemetryView']): Point => ({ at: seconds_at(view.at), mean: view.now ?? {} });
export const point_of_minute = (view: Schemas['TelemetryMinuteView']): Point => ({ at: seconds_at(view.at), mean: view.mean ?? {}, most: view.max ?? {} });

// The points of the last `span_s` with one more. A stream that was resumed may begin with what is known already; a
// clock that was set back begins anew.
export function with_point(points: Point[], point: Point, span_s: number): Point[] {
  const last = points[points.length - 1];
  if (!last || point.at < last.at) return [point];
  if (point.at === last.at) return points;
  return [...points.filter((one) => one.at >= point.at - span_s), point];
}

// Points as they are drawn.
export interface Track {
  times: number[]; // ascending
  points: (Point | null)[]; // null: nothing was measured, and no line goes over it
}

// `gap_s`: two points that are further apart had something between them that was not measured.
export function track_of(points: Point[], gap_s: number): Track {
  const track: Track = { times: [], points: [] };
  points.forEach((point, index) => {
    const before = points[index - 1];
    if (before && point.at - before.at > gap_s) {
      track.times.push((before.at + point.at) / 2);
      track.points.push(null);
    }
    track.times.push(point.at);
    track.points.push(point);
  });
  return track;
}

interface FigureLine<Of> {
  name: string;
  of: (one: Of) => number | undefined;
}
export interface Figure<Of> {
  name: string;
  unit: string;
  digits: number;
  lines: FigureLine<Of>[];
}

const part = (value: number | undefined, of: number) => (value === undefined ? undefined : value / of);

export const device_figures: Figure<DeviceSample>[] = [
  { name: 'Utilisation', unit: '%', digits: 0, lines: [{ name: 'Utilisation', of: (one) => one.percent }] },
  { name: 'Memory in use', unit: 'GB', digits: 2, lines: [{ name: 'Memory', of: (one) => part(one.memory_mb, 1024) }] },
  { name: 'Power', unit: 'W', digits: 0, lines: [{ name: 'Power', of: (one) => part(one.milliwatts, 1000) }] },
  { name: 'Temperature', unit: '°C', digits: 0, lines: [{ name: 'Temperature', of: (one) => one.celsius }] },
  { name: 'Clocks', unit: 'MHz', digits: 0, lines: [{ name: 'Cores', of: (one) => one.core_mhz }, { name: 'Memory', of: (one) => one.memory_mhz }] },
];

// Of a workload, and of the machine that it runs on.
export const workload_figures: Figure<HostSample>[] = [
  { name: 'Processor', unit: 'cores', digits: 2, lines: [{ name: 'Processor', of: (one) => part(one.cpu_thousandths, 1000) }] },
  { name: 'Main memory', unit: 'GB', digits: 2, lines: [{ name: 'Memory', of: (one) => part(one.memory_mb, 1024) }] },
  { name: 'Disk', unit: 'MB/s', digits: 2, lines: [{ name: 'Read', of: (one) => part(one.disk_read_kbps, 1000) }, { name: 'Written', of: (one) => part(one.disk_written_kbps, 1000) }] },
  { name: 'Network', unit: 'MB/s', digits: 2, lines: [{ name: 'In', of: (one) => part(one.network_in_kbps, 1000) }, { name: 'Out', of: (one) => part(one.network_out_kbps, 1000) }] },
];

const device_in = (sample: Sample | undefined, device: number) => sample?.devices?.find((one) => (one.device ?? 0) === device);
export const of_device = (device: number) => (sample: Sample) => device_in(sample, device);
export const of_host = (sample: Sample): HostSample | undefined => sample.host ?? undefined;
export const of_lease = (lease: string) => (sample: Sample) => sample.workloads?.find((one) => one.lease === lease);

const samples_of = (point: Point) => (point.most ? [point.mean, point.most] : [point.mean]);
export const devices_of = (points: Point[]): number[] => [...new Set(points.flatMap((point) => (point.mean.devices ?? []).map((one) => one.device ?? 0)))].sort((a, b) => a - b);
export const leases_of = (points: Point[]): string[] => [...new Set(points.flatMap((point) => (point.mean.workloads ?? []).map((one) => one.lease ?? '0')))].sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));

export interface PictureLine {
  name: string;
  values: (number | null)[]; // as many as the track has times
  place: number; // of the figure's lines
  is_most: boolean;
}
export interface Picture {
  name: string;
  unit: string;
  digits: number;
  lines: PictureLine[];
  latest: string; // "97 %", "2520 / 10501 MHz"; "–" where the last point does not tell
  words: string; // what it shows, for who does not see it
}

const digits_max = 4;
// Of small values more digits are shown: a tick of 0.002 GB is not 0.00.
const digits_for = (digits: number, high: number) => (digits === 0 || high <= 0 ? digits : Math.max(digits, Math.min(digits_max, 1 - Math.floor(Math.log10(high)))));

// A figure of one device or workload; null when nothing tells it. `pick`: that one's part of a sample.
export function picture_of<Of>(figure: Figure<Of>, track: Track, pick: (sample: Sample) => Of | undefined): Picture | null {
  const has_most = track.points.some((point) => point?.most);
  const told = figure.lines.flatMap((line, place) => {
    const values_of = (sample_of: (point: Point) => Sample | undefined) =>
      track.points.map((point) => {
        const sample = point && sample_of(point);
        const one = sample && pick(sample);
        return (one && line.of(one)) ?? null;
      });
    const mean = values_of((point) => point.mean);
    const most = has_most ? values_of((point) => point.most) : [];
    let low = Infinity;
    let high = -Infinity;
    for (const value of [...mean, ...most]) {
      if (value === null) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    return high === -Infinity ? [] : [{ name: line.name, place, mean, most, low, high, last: mean[mean.length - 1] ?? null }];
  });
  if (told.length === 0) return null;
  const { name, unit } = figure;
  const digits = digits_for(figure.digits, Math.max(...told.map((one) => one.high)));
  const show = (value: number) => value.toFixed(digits);
  return {
    name,
    unit,
    digits,
    lines: told.flatMap((one) => [
      { name: has_most ? `${one.name}, mean` : one.name, values: one.mean, place: one.place, is_most: false },
      ...(has_most ? [{ name: `${one.name}, most`, values: one.most, place: one.place, is_most: true }] : []),
    ]),
    latest: told.some((one) => one.last !== null) ? `${told.map((one) => (one.last === null ? '–' : show(one.last))).join(' / ')} ${unit}` : '–',
    words: told
      .map((one) => `${figure.lines.length > 1 ? `${one.name} ` : ''}${one.last === null ? 'not told at last' : `${show(one.last)} ${unit} at last`}, between ${show(one.low)} and ${show(one.high)} ${unit}`)
      .join('; '),
  };
}

// A look of a second, or of a minute, at one device.
export interface DeviceLook {
  at: number;
  end: DeviceSample; // counts and complaints as they stood then
  throttled_by: Schemas['ThrottleReason'][];
}

// Those that have it, in order.
export const looks_at = (points: Point[], device: number): DeviceLook[] =>
  points.flatMap((point) => {
    const end = device_in(point.mean, device);
    return end ? [{ at: point.at, end, throttled_by: [...new Set(samples_of(point).flatMap((sample) => device_in(sample, device)?.throttled_by ?? []))] }] : [];
  });
