import { describe, expect, it } from 'vitest';

import type { Offer } from '../src/api/client';
import { compare, price_of_speed } from '../src/lib/compare';
import { counts_of } from '../src/lib/facets';

const offer = (more: Partial<Offer>): Offer =>
  ({
    id: '1', gpu_name: 'RTX 4090', num_gpus: 1, free_thousandths: 1000, gpu_ram_gb: 24.564, price_per_hour: '0.40', disk_price_per_gb_hour: '0.00', region: 'eu', lan: '', reliability: 0.95, cpu_cores: 16, cpu_ram_gb: 64, disk_gb: 500,
    download_mbps: 0, upload_mbps: 0, isolation: 'BUBBLEWRAP', network: 'NONE', spot_price_per_hour: '', share_min: 1, hours_max: 0, speed: 2, lasting_day: 0, gpus_verified: 0, ...more,
  }) as Offer;

describe('offers side by side', () => {
  const rows = (offers: Offer[]) => new Map(compare(offers).map((row) => [row.name, row]));
  it('mark what is best, where there is a best', () => {
    const both = rows([
      offer({}),
      offer({ id: '2', price_per_hour: '0.60', speed: 4, reliability: 0.99, gpus_verified: 1, network: 'EGRESS', hours_max: 1.5, share_min: 0.25, spot_price_per_hour: '0.12', discounts: { hour_basis_points: 0, day_basis_points: 500, week_basis_points: 1000, month_basis_points: 1000 } }),
    ]);
    expect(both.get('Price of a device and hour')).toEqual({ name: 'Price of a device and hour', cells: ['0.40', '0.60'], best: [true, false] });
    expect(both.get("For an RTX 3090's work of an hour")).toMatchObject({ cells: ['0.20', '0.15'], best: [false, true] });
    expect(both.get('Reliability')).toMatchObject({ cells: ['95.0 %', '99.0 %'], best: [false, true] });
    expect(both.get('Memory of a device')!.best).toEqual([false, false]);
    expect(both.get('Lasts another day')).toMatchObject({ cells: ['not known', 'not known'], best: [false, false] });
    expect(both.get('Verified')!.cells).toEqual(['no', 'yes']);
    expect(both.get('Tiers')!.cells).toEqual(['on demand, reserved', 'on demand, reserved (5 % off from a day, up to 10 %), spot at 0.12 now']);
    expect(both.get('Longest lease')!.cells).toEqual(['no limit', '1 h 30 min']);
    expect(both.get('Smallest share')!.cells).toEqual(['whole devices', '0.25 of a device']);
    expect(both.get('Network for workloads')!.cells).toEqual(['none', 'egress']);
  });
  it('have a price of what is sent only where something can be', () => {
    const sent = rows([offer({}), offer({ network: 'EGRESS', egress_price_per_gb: '0.05' }), offer({ network: 'EGRESS', egress_price_per_gb: '0.02' })]).get('A GB sent');
    expect(sent).toMatchObject({ cells: ['–', '0.05', '0.02'], best: [false, false, true] });
    expect(rows([offer({}), offer({ network: 'EGRESS', egress_price_per_gb: '' })]).get('A GB sent')).toMatchObject({ cells: ['–', '0.00'], best: [false, false] });
  });
  it('know no price of a speed that is not known', () => {
    expect(price_of_speed(offer({ speed: 0 }))).toBeNull();
    expect(price_of_speed(offer({ price_per_hour: '0.000001', speed: 0.5 }))).toBe(2n);
  });
});

describe('facets', () => {
  it('count what stands in the list; of memory, all that is enough', () => {
    const counts = counts_of([offer({}), offer({ gpu_name: 'A100', gpu_ram_gb: 80, region: 'us', gpus_verified: 1 }), offer({ region: '' })]);
    expect(counts).toEqual({ gpu_name: { rtx_4090: 2, a100: 1 }, region: { eu: 1, us: 1 }, gpu_ram: { 24: 3, 80: 1 }, verified: { true: 1 } });
    expect(counts_of([])).toEqual({ gpu_name: {}, region: {}, gpu_ram: {}, verified: {} });
  });
});
