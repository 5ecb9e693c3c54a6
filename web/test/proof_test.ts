import { describe, expect, it } from 'vitest';

import { proof_of, type ProvenDevice } from '../src/lib/proof';

const device = (proof?: Partial<NonNullable<ProvenDevice['proof']>>) =>
  ({ index: 0, model: 'RTX_4090', memory_mb: 24_564, proof: proof && { state: 'PROVEN', at_us: '0', misses: 0, detail: '', memory_mb: 0, ...proof } }) as ProvenDevice;

describe('the proof of a device', () => {
  it('is told with what was measured, and with nothing that was not', () => {
    const proof = proof_of(device({ at_us: '1700000000000000', memory_mb: 22_598, speeds: { int8_mops: '412000000', fill_mbps: '500000', fp16_mflops: '165200000', fp32_mflops: '82600000', fp64_mflops: '1290000', copy_mbps: '0' } }));
    expect([proof.tone, proof.name]).toEqual(['good', 'verified']);
    expect(proof.facts.slice(1)).toEqual([
      ['Memory shown', '22.6 GB of 24.6 GB'],
      ['Matrices of 8 bits', '412 Tops'],
      ['Matrices of 16 bits', '165 TFLOPS'],
      ['Arithmetic of 32 bits', '82.6 TFLOPS'],
      ['Arithmetic of 64 bits', '1.29 TFLOPS'],
      ['Filling its memory', '500 GB/s'],
    ]);
    expect(proof.facts[0]![0]).toBe('Last proof');
  });
  it('says why it failed', () => {
    const proof = proof_of(device({ state: 'UNANSWERED', misses: 3, detail: 'the node was away' }));
    expect(proof.tone).toBe('bad');
    expect(proof.facts).toEqual([['Why', 'the node was away'], ['Without an answer', '3 asks in a row']]);
  });
  it('of a device that was never asked is none', () => {
    for (const one of [device(), device({ state: 'PROOF_STATE_UNSPECIFIED' })]) expect(proof_of(one)).toMatchObject({ tone: 'calm', name: 'not asked', facts: [] });
  });
});
