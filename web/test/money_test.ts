import { describe, expect, it } from 'vitest';

import { approximate, format_money, micros_of, parse_money, show_money, sum_money } from '../src/lib/money';

describe('money', () => {
  it('reads decimals of at most six places and nothing else', () => {
    expect(parse_money('12.5')).toBe(12_500_000n);
    expect(parse_money('0.000001')).toBe(1n);
    expect(parse_money('-3')).toBe(-3_000_000n);
    for (const wrong of ['', '.', '1.', '.5', '1e3', '0x1', '1,5', '1.0000001', '--1', '12345678901234', 'NaN', '１']) {
      expect(parse_money(wrong), wrong).toBeNull();
    }
  });
  it('is exact where floating point is not', () => {
    expect(sum_money(['0.1', '0.2'])).toBe(parse_money('0.3'));
    expect(parse_money('9007199254.740993')).toBe(9_007_199_254_740_993n); // 2^53 + 1
    expect(format_money(9_007_199_254_740_993n)).toBe('9007199254.740993');
  });
  it('writes as the server does, two to six decimals', () => {
    expect(format_money(0n)).toBe('0.00');
    expect(format_money(12_500_000n)).toBe('12.50');
    expect(format_money(1n)).toBe('0.000001');
    expect(format_money(-420_000n)).toBe('−0.42');
    expect(show_money(1_234_567_890_000n)).toBe('1\u202f234\u202f567.89');
  });
  it('comes back as it went, over many amounts', () => {
    let seed = 1n;
    for (let i = 0; i < 2_000; i += 1) {
      seed = (seed * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n) & ((1n << 64n) - 1n);
      const micros = (seed >> 11n) % 10n ** 18n;
      expect(parse_money(format_money(micros))).toBe(micros);
    }
  });
  it('takes nothing for nothing, and says when the server sent none', () => {
    expect(micros_of('')).toBe(0n);
    expect(approximate('')).toBeNull();
    expect(() => micros_of('12 TEST')).toThrow(/where money belongs/);
  });
});
