// How many of the offers in a list have each value that a facet can choose.
import type { Offer } from '../api/client';

export const compared_max = 4; // offers side by side

export type Counts = Record<string, Record<string, number>>; // by field of the query, by value

export function counts_of(offers: Offer[]): Counts {
  const counts: Counts = { gpu_name: {}, region: {}, gpu_ram: {}, verified: {} };
  const add = (field: string, value: string) => {
    if (value) counts[field]![value] = (counts[field]![value] ?? 0) + 1;
  };
  for (const offer of offers) {
    add('gpu_name', offer.gpu_name.toLowerCase().replace(/ /g, '_'));
    add('region', offer.region);
    add('gpu_ram', String(Math.floor(offer.gpu_ram_gb)));
    if (offer.gpus_verified > 0) add('verified', 'true');
  }
  // Of memory a facet asks for at least so much.
  const sizes = Object.keys(counts.gpu_ram!).map(Number).sort((a, b) => b - a);
  let sum = 0;
  for (const size of sizes) counts.gpu_ram![String(size)] = sum += counts.gpu_ram![String(size)]!;
  return counts;
}
