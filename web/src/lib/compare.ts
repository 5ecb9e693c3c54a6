// Offers side by side: one row a property, with what is best of it.
import type { Offer } from '../api/client';
import { format_money, micros_of } from './money';
import { show_seconds } from './time';

export interface ComparedRow {
  name: string;
  cells: string[]; // by offer
  best: boolean[]; // by offer; none where all are alike, or nobody can say what is better
}

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
const points = (count: number) => `${count / 100} %`;

// What one device costs for an hour of an RTX 3090's work; null: no speed is known.
export const price_of_speed = (offer: Offer): bigint | null => (offer.speed > 0 ? (micros_of(offer.price_per_hour) * 1000n) / BigInt(Math.max(1, Math.round(offer.speed * 1000))) : null);

function tiers_of(offer: Offer): string {
  const { discounts } = offer;
  const terms = discounts ? ([['an hour', discounts.hour_basis_points], ['a day', discounts.day_basis_points], ['a week', discounts.week_basis_points], ['a month', discounts.month_basis_points]] as const) : [];
  const first = terms.find(([, off]) => off > 0);
  const most = terms[terms.length - 1]?.[1] ?? 0;
  const reserved = first ? `reserved (${points(first[1])} off from ${first[0]}${most > first[1] ? `, up to ${points(most)}` : ''})` : 'reserved';
  return ['on demand', reserved, ...(offer.spot_price_per_hour ? [`spot at ${offer.spot_price_per_hour} now`] : [])].join(', ');
}

// The row, with the least or the most marked. Values are compared as they are, not as they are shown.
function row<Value extends number | bigint>(offers: Offer[], name: string, value: (offer: Offer) => Value | null, show: (value: Value, offer: Offer) => string, better: 'least' | 'most'): ComparedRow {
  const values = offers.map(value);
  const known = values.filter((one) => one !== null) as Value[];
  const best = known.reduce<Value | null>((best, one) => (best === null || (better === 'least' ? one < best : one > best) ? one : best), null);
  const differ = known.some((one) => one !== best);
  return { name, cells: offers.map((offer, at) => (values[at] === null ? 'not known' : show(values[at] as Value, offer))), best: values.map((one) => differ && one !== null && one === best) };
}

const words = (offers: Offer[], name: string, show: (offer: Offer) => string): ComparedRow => ({ name, cells: offers.map(show), best: offers.map(() => false) });

// Where nothing can be sent, that is not cheapest there.
function price_of_egress(offers: Offer[]): ComparedRow {
  const sent = row(offers, 'A GB sent', (offer) => (offer.network === 'EGRESS' ? micros_of(offer.egress_price_per_gb) : null), format_money, 'least');
  return { ...sent, cells: sent.cells.map((cell, at) => (offers[at]!.network === 'EGRESS' ? cell : '–')) };
}

export function compare(offers: Offer[]): ComparedRow[] {
  const gb = (value: number) => `${value.toFixed(0)} GB`;
  const isolations = ['ISOLATION_UNSPECIFIED', 'BUBBLEWRAP', 'RUNC', 'GVISOR', 'MICROVM'];
  return [
    row(offers, 'Price of a device and hour', (offer) => micros_of(offer.price_per_hour), format_money, 'least'),
    row(offers, "For an RTX 3090's work of an hour", price_of_speed, format_money, 'least'),
    row(offers, 'Speed (RTX 3090: 1)', (offer) => (offer.speed > 0 ? offer.speed : null), (speed) => speed.toFixed(2), 'most'),
    row(offers, 'Devices', (offer) => offer.num_gpus, (count, offer) => `${count}, ${offer.free_thousandths / 1000} free`, 'most'),
    row(offers, 'Memory of a device', (offer) => offer.gpu_ram_gb, gb, 'most'),
    row(offers, 'Reliability', (offer) => offer.reliability, percent, 'most'),
    row(offers, 'Lasts another day', (offer) => (offer.lasting_day > 0 ? offer.lasting_day : null), percent, 'most'),
    words(offers, 'Verified', (offer) => (offer.gpus_verified === 0 ? 'no' : offer.gpus_verified === offer.num_gpus ? 'yes' : `${offer.gpus_verified} of ${offer.num_gpus} devices`)),
    words(offers, 'Tiers', tiers_of),
    words(offers, 'Longest lease', (offer) => (offer.hours_max > 0 ? show_seconds(offer.hours_max * 3600) : 'no limit')),
    words(offers, 'Smallest share', (offer) => (offer.share_min < 1 ? `${offer.share_min} of a device` : 'whole devices')),
    words(offers, 'Region', (offer) => [offer.region || '–', offer.lan, offer.rack].filter(Boolean).join(', ')),
    words(offers, 'Network for workloads', (offer) => (offer.network === 'EGRESS' ? 'egress' : 'none')),
    price_of_egress(offers),
    row(offers, 'Line down', (offer) => (offer.download_mbps > 0 ? offer.download_mbps : null), (rate) => `${rate} Mbit/s`, 'most'),
    row(offers, 'Line up', (offer) => (offer.upload_mbps > 0 ? offer.upload_mbps : null), (rate) => `${rate} Mbit/s`, 'most'),
    row(offers, 'Processor', (offer) => offer.cpu_cores, (cores) => `${cores} cores`, 'most'),
    row(offers, 'Memory', (offer) => offer.cpu_ram_gb, gb, 'most'),
    row(offers, 'Disk', (offer) => offer.disk_gb, gb, 'most'),
    row(offers, 'Disk, a GB and hour', (offer) => micros_of(offer.disk_price_per_gb_hour), format_money, 'least'),
    row(offers, 'Sandbox', (offer) => isolations.indexOf(offer.isolation), (_, offer) => offer.isolation.toLowerCase().replace('isolation_unspecified', '–'), 'most'),
  ];
}
