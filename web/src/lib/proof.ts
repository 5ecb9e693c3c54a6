// What the market has found out about a device by asking it, in words and figures (docs/gpu-proof.md).
import type { NodeOfMarket } from '../api/client';
import type { Tone } from '../parts/basics';
import { show_moment } from './time';
import { plural, proof_states } from './words';

export type ProvenDevice = NonNullable<NodeOfMarket['facts']>['devices'][number];

export interface Proof {
  tone: Tone;
  name: string; // "proven"
  words: string;
  facts: [string, string][];
}

const names: Record<keyof typeof proof_states, [Tone, string]> = {
  PROOF_STATE_UNSPECIFIED: ['calm', 'not asked'],
  PROVEN: ['good', 'verified'],
  SLOW: ['warn', 'slow'],
  DISPROVEN: ['bad', 'disproven'],
  UNANSWERED: ['bad', 'unanswered'],
  LAPSED: ['warn', 'lapsed'],
};

// 83000000, 1e6 -> "83.0"
const scaled = (of: string, by: number) => {
  const value = Number(of) / by;
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
};

export function proof_of(device: ProvenDevice): Proof {
  const proof = device.proof;
  const state = proof?.state ?? 'PROOF_STATE_UNSPECIFIED';
  const [tone, name] = names[state];
  const facts: Proof['facts'] = [];
  if (!proof || state === 'PROOF_STATE_UNSPECIFIED') return { tone, name, words: proof_states[state], facts };
  if (Number(proof.at_us) > 0) facts.push(['Last proof', show_moment(new Date(Number(proof.at_us) / 1000).toISOString())]);
  if (proof.detail) facts.push(['Why', proof.detail]);
  if (proof.misses > 0) facts.push(['Without an answer', `${plural(proof.misses, 'ask')} in a row`]);
  if (proof.memory_mb > 0) facts.push(['Memory shown', `${(proof.memory_mb / 1000).toFixed(1)} GB of ${(device.memory_mb / 1000).toFixed(1)} GB`]);
  const rates = [
    ['Matrices of 8 bits', 'int8_mops', 1e6, 'Tops'],
    ['Matrices of 16 bits', 'fp16_mflops', 1e6, 'TFLOPS'],
    ['Arithmetic of 32 bits', 'fp32_mflops', 1e6, 'TFLOPS'],
    ['Arithmetic of 64 bits', 'fp64_mflops', 1e6, 'TFLOPS'],
    ['Filling its memory', 'fill_mbps', 1e3, 'GB/s'],
    ['Moving its memory', 'copy_mbps', 1e3, 'GB/s'],
  ] as const;
  for (const [what, field, by, unit] of rates) {
    const rate = proof.speeds?.[field] ?? '0';
    if (rate !== '0') facts.push([what, `${scaled(rate, by)} ${unit}`]);
  }
  return { tone, name, words: proof_states[state], facts };
}
