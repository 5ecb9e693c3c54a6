import { describe, expect, it } from 'vitest';

import { faults_of } from '../src/lib/device_faults';
import { device_figures, devices_of, leases_of, looks_at, of_device, of_host, of_lease, picture_of, point_of, point_of_minute, track_of, with_point, workload_figures, type DeviceSample, type Point } from '../src/lib/telemetry';
import { show_clock, show_hour } from '../src/lib/time';

const start = Date.UTC(2026, 10, 22, 10) / 1000;
const second = (at: number, device: DeviceSample | null, lease = '7'): Point => ({ at: start + at, mean: { devices: device ? [{ device: 0, xid: 0, ...device }] : [], workloads: [{ lease, cpu_thousandths: 1500 }] } });
const figure = (name: string) => [...device_figures].find((one) => one.name === name)!;
const of_workload = (name: string) => workload_figures.find((one) => one.name === name)!;
const clock = (at: number) => show_clock(new Date((start + at) * 1000));

describe('points', () => {
  it('are read from the stream and from minutes', () => {
    expect(point_of({ at: '2026-11-22T10:00:01.500Z', now: { devices: [{ device: 1, percent: 4 }] } })).toEqual({ at: start + 1.5, mean: { devices: [{ device: 1, percent: 4 }] } });
    const minute = point_of_minute({ at: '2026-11-22T10:01:00Z', seconds: 60, mean: { devices: [{ device: 0, percent: 4 }] }, max: { devices: [{ device: 0, percent: 9 }] } });
    expect(minute).toMatchObject({ at: start + 60, mean: { devices: [{ percent: 4 }] }, most: { devices: [{ percent: 9 }] } });
  });
  it('stay for a while, and what comes twice stands there once', () => {
    let points: Point[] = [];
    for (const at of [0, 1, 1, 2, 11, 12]) points = with_point(points, second(at, {}), 10);
    expect(points.map((point) => point.at - start)).toEqual([2, 11, 12]);
    expect(with_point(points, second(12, {}), 10)).toBe(points);
  });
  it('begin anew when the clock was set back', () => {
    expect(with_point([second(50, {}), second(51, {})], second(20, {}), 300).map((point) => point.at - start)).toEqual([20]);
  });
  it('tell which devices and leases there are, in order', () => {
    const points = [second(0, {}, '10'), { at: start + 1, mean: { devices: [{ device: 2 }, { device: 0 }], workloads: [{ lease: '9' }, { lease: '18446744073709551615' }] } }];
    expect(devices_of(points)).toEqual([0, 2]);
    expect(leases_of(points)).toEqual(['9', '10', '18446744073709551615']);
  });
});

describe('a picture', () => {
  it('leaves out what was not told, and is none where nothing was', () => {
    const track = track_of([second(0, { percent: 97, celsius: 71 }), second(1, { celsius: 72 }), second(2, { percent: 0, celsius: 73 })], 5);
    const use = picture_of(figure('Utilisation'), track, of_device(0))!;
    expect(use.lines.map((line) => line.values)).toEqual([[97, null, 0]]);
    expect([use.latest, use.words]).toEqual(['0 %', '0 % at last, between 0 and 97 %']);
    expect(picture_of(figure('Power'), track, of_device(0))).toBeNull();
    expect(picture_of(figure('Utilisation'), track, of_device(3))).toBeNull();
  });
  it('has a gap where nothing was measured', () => {
    const track = track_of([second(0, { percent: 1 }), second(1, { percent: 2 }), second(61, { percent: 3 })], 5);
    expect(track.times.map((at) => at - start)).toEqual([0, 1, 31, 61]);
    expect(picture_of(figure('Utilisation'), track, of_device(0))!.lines[0]!.values).toEqual([1, 2, null, 3]);
  });
  it('of two lines says both, in units that people use', () => {
    const track = track_of([second(0, { core_mhz: 2520, memory_mhz: 10501, milliwatts: 312_400, memory_mb: 3072 }), second(1, { core_mhz: 2400 })], 5);
    const clocks = picture_of(figure('Clocks'), track, of_device(0))!;
    expect(clocks.lines.map((line) => [line.name, line.place, line.values])).toEqual([['Cores', 0, [2520, 2400]], ['Memory', 1, [10501, null]]]);
    expect(clocks.latest).toBe('2400 / – MHz');
    expect(clocks.words).toBe('Cores 2400 MHz at last, between 2400 and 2520 MHz; Memory not told at last, between 10501 and 10501 MHz');
    const power = picture_of(figure('Power'), track, of_device(0))!;
    expect([power.lines[0]!.values, power.latest]).toEqual([[312.4, null], '–']);
    expect(picture_of(figure('Memory in use'), track, of_device(0))!.lines[0]!.values).toEqual([3, null]);
    expect(picture_of(of_workload('Processor'), track, of_lease('7'))!.latest).toBe('1.50 cores');
    expect(picture_of(of_workload('Network'), track, of_lease('7'))).toBeNull();
    expect(picture_of(of_workload('Processor'), track, of_host), 'its machine tells nothing of itself').toBeNull();
  });
  it('of the machine has the figures of a workload', () => {
    const at = (second: number, cpu_thousandths: number): Point => ({ at: start + second, mean: { devices: [], workloads: [], host: { cpu_thousandths, network_in_kbps: 12_000, network_out_kbps: 500 } } });
    const track = track_of([at(0, 2_500), at(1, 7_500)], 5);
    expect(picture_of(of_workload('Processor'), track, of_host)!.words).toBe('7.50 cores at last, between 2.50 and 7.50 cores');
    expect(picture_of(of_workload('Network'), track, of_host)!.latest).toBe('12.00 / 0.50 MB/s');
    expect(picture_of(of_workload('Disk'), track, of_host)).toBeNull();
  });
  it('of small values shows what they are', () => {
    const latest_of = (memory_mb: number) => picture_of(of_workload('Main memory'), track_of([{ at: start, mean: { workloads: [{ lease: '7', memory_mb }] } }], 5), of_lease('7'))!.latest;
    expect([0, 1, 20, 300, 5000].map(latest_of)).toEqual(['0.00 GB', '0.0010 GB', '0.020 GB', '0.29 GB', '4.88 GB']);
  });
  it('of one direction alone has one line', () => {
    const track = track_of([{ at: start, mean: { workloads: [{ lease: '7', disk_written_kbps: 2500 }] } }], 5);
    const disk = picture_of(of_workload('Disk'), track, of_lease('7'))!;
    expect(disk.lines).toEqual([{ name: 'Written', values: [2.5], place: 1, is_most: false }]);
    expect(disk.latest).toBe('2.50 MB/s');
  });
  it('of minutes has the mean and the most', () => {
    const minutes = [4, 6].map((percent, at): Point => ({ at: start + 60 * at, mean: { devices: [{ device: 0, percent }] }, most: { devices: [{ device: 0, percent: 10 * percent }] } }));
    const use = picture_of(figure('Utilisation'), track_of(minutes, 150), of_device(0))!;
    expect(use.lines.map((line) => [line.name, line.is_most, line.values])).toEqual([['Utilisation, mean', false, [4, 6]], ['Utilisation, most', true, [40, 60]]]);
    expect(use.words).toBe('6 % at last, between 4 and 60 %');
  });
});

describe('faults', () => {
  const told = (points: Point[]) => faults_of(looks_at(points, 0), 'second').map((fault) => `${fault.tone}: ${fault.name}: ${fault.words}`);
  it('are none where none is told', () => {
    expect(told([second(0, { percent: 4, ecc_corrected: 0, ecc_uncorrected: 0 }), second(1, null), second(2, {})])).toEqual([]);
    expect(told([])).toEqual([]);
  });
  it('say what slows a device down, since when it no longer does, and how much of the time', () => {
    const hot = second(0, { throttled_by: ['THROTTLED_BY_HEAT'] });
    expect(told([hot, second(1, {}), second(2, { throttled_by: ['THROTTLED_BY_HEAT', 'THROTTLED_BY_POWER'] })])).toEqual(['warn: slowed down: by heat: now, in 2 of 3 samples', 'warn: slowed down: by its limit of power: now, in 1 of 3 samples']);
    expect(told([hot, second(1, {})])).toEqual([`warn: slowed down: by heat: in 1 of 2 samples, last at ${clock(0)}`]);
    const minute = (at: number, reasons: DeviceSample['throttled_by']): Point => ({ at: start + at, mean: { devices: [{ device: 0 }] }, most: { devices: [{ device: 0, throttled_by: reasons }] } });
    const [fault] = faults_of(looks_at([minute(60, ['THROTTLED_BY_SUPPLY']), minute(120, [])], 0), 'minute');
    expect(fault!.words).toBe(`by the machine's power supply: in 1 of 2 minutes, last in the minute to ${show_hour(new Date((start + 60) * 1000))}`);
  });
  it('tell an Xid when it came, the newest first, and whether it is a fault of the device', () => {
    const points = [second(0, { xid: 31 }), second(1, { xid: 31 }), second(2, { xid: 79 }), second(3, { xid: 79 })];
    expect(told(points)).toEqual([`bad: Xid 79: it fell off its bus; at ${clock(2)}`, `warn: Xid 31: a complaint of its driver, of a kind that a program can bring about; before ${clock(0)}`]);
    expect(told(Array.from({ length: 40 }, (_, at) => second(at, { xid: 13 + (at % 2) })))).toHaveLength(4);
  });
  it('count errors of memory, and those that are new', () => {
    expect(told([second(0, { ecc_corrected: 3, ecc_uncorrected: 0 }), second(1, {}), second(2, { ecc_corrected: 5, ecc_uncorrected: 1 })])).toEqual([
      'bad: memory errors: 1 uncorrected error of its memory since its driver was loaded, 1 of them in the time shown',
      'warn: memory errors: 5 corrected errors of its memory since its driver was loaded, 2 of them in the time shown',
    ]);
    // Its driver was loaded again.
    expect(told([second(0, { ecc_corrected: 9 }), second(1, { ecc_corrected: 1 })])).toEqual(['warn: memory errors: 1 corrected error of its memory since its driver was loaded']);
  });
});
