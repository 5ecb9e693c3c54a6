import { describe, expect, it } from 'vitest';

import { empty_form, with_requirement } from '../src/lib/job_form';
import { money_of_end } from '../src/lib/words';
import { change_for, complete, condition_value, conditions_of, take, with_condition } from '../src/lib/query';

const known = { gpu_name: ['rtx_3090', 'rtx_4090', 'odd, name'], region: ['eu', 'us-west'] };
// "|" is the caret.
const options = (marked: string) => {
  const caret = marked.indexOf('|');
  return complete(marked.replace('|', ''), caret, known).options.map((option) => option.text);
};
const taken = (marked: string, option: string) => {
  const caret = marked.indexOf('|');
  const text = marked.replace('|', '');
  const after = take(text, complete(text, caret, known), option);
  return `${after.text.slice(0, after.caret)}|${after.text.slice(after.caret)}`;
};

describe('completion', () => {
  it('offers fields where a condition begins', () => {
    expect(options('|')).toContain('gpu_name');
    expect(options('gpu_r|')).toEqual(['gpu_ram']);
    expect(options('gpu_ram>=24 re|')).toEqual(['reliability', 'region', 'cpu_cores', 'egress_price']);
    expect(options('region in [eu] pri|')).toEqual(['price', 'egress_price']);
  });
  it('offers operators that fit the field', () => {
    expect(options('gpu_ram |')).toContain('>=');
    expect(options('gpu_name |')).not.toContain('>=');
    expect(options('region|')).toEqual([]); // the whole name stands there already
  });
  it("offers the market's own values", () => {
    expect(options('gpu_name=|')).toEqual(['rtx_3090', 'rtx_4090', 'odd, name']);
    expect(options('gpu_name=40|')).toEqual(['rtx_4090']);
    expect(options('region in [eu,u|')).toEqual(['us-west', 'eu']);
    expect(options('region not in [|')).toEqual(['eu', 'us-west']);
    expect(options('isolation>=|')).toContain('gvisor');
    expect(options('verified=|')).toEqual(['true', 'false']);
    expect(options('la|')).toEqual(['lan', 'isolation']);
    expect(options('colour=|')).toEqual([]);
  });
  it('puts what is taken in place, with the caret behind it', () => {
    expect(taken('gpu_r|', 'gpu_ram')).toBe('gpu_ram|');
    expect(taken('gpu_name=40|', 'rtx_4090')).toBe('gpu_name=rtx_4090 |');
    expect(taken('gpu_name=|', 'odd, name')).toBe("gpu_name='odd, name' |");
    expect(taken('region |', 'in [')).toBe('region in [|');
    expect(taken('region in [eu,u|', 'us-west')).toBe('region in [eu,us-west|');
    expect(taken('gpu_name=40| price<1', 'rtx_4090')).toBe('gpu_name=rtx_4090| price<1');
  });
  it('bears anything that is typed', () => {
    for (const text of ['[[[', "'", '"a', 'in in in', 'a=,', '>=', 'not in [', '\u0000ü=', ' '.repeat(50)]) {
      for (let caret = 0; caret <= text.length; caret += 1) expect(() => complete(text, caret, known)).not.toThrow();
    }
  });
});

describe('conditions', () => {
  it('are read with their places', () => {
    expect(conditions_of("gpu_name='RTX 4090' gpu_ram>=24  region not in [eu, us] price").map((one) => [one.field, one.operator, one.values])).toEqual([
      ['gpu_name', '=', ["'RTX 4090'"]],
      ['gpu_ram', '>=', ['24']],
      ['region', 'notin', ['eu', 'us']],
    ]);
  });
  it('are set and taken away', () => {
    expect(with_condition('gpu_ram>=24 region=eu price<1', 'region', 'us')).toBe('gpu_ram>=24 price<1 region=us');
    expect(with_condition('gpu_ram>=24 region in [eu,us]', 'region', '')).toBe('gpu_ram>=24');
    expect(condition_value("region=eu gpu_name='RTX 4090'", 'gpu_name')).toBe('RTX 4090');
  });
});

describe('relaxations', () => {
  const changed = (query: string, field: string, change: string) => change_for(query, { field, change });
  it('change the condition that failed', () => {
    expect(changed('gpu_ram>=24 region=eu', 'gpu_ram', 'lower gpu_ram to 16.376')).toEqual({ kind: 'query', text: 'gpu_ram>=16.376 region=eu' });
    expect(changed('verified=true lan=rack-7', 'verified', 'accept verified false')).toEqual({ kind: 'query', text: 'verified in [true,false] lan=rack-7' });
    expect(changed('lan=rack-7', 'lan', 'accept lan rack-8')).toEqual({ kind: 'query', text: 'lan in [rack-7,rack-8]' });
    expect(changed('lan=rack-7', 'lan', 'accept lan ""')).toEqual({ kind: 'query', text: 'lan in [rack-7,""]' });
    expect(changed('lan notin [rack-7,""]', 'lan', 'allow lan ""')).toEqual({ kind: 'query', text: 'lan notin [rack-7]' });
    expect(changed('price<0.2', 'price', 'raise price to 0.31')).toEqual({ kind: 'query', text: 'price<=0.31' });
    expect(changed('gpu_name=rtx_4090', 'gpu_name', 'accept gpu_name rtx_3090')).toEqual({ kind: 'query', text: 'gpu_name in [rtx_4090,rtx_3090]' });
    expect(changed('region notin [eu,us]', 'region', 'allow region eu')).toEqual({ kind: 'query', text: 'region notin [us]' });
    expect(changed('gpu_ram>=8 region!=eu', 'region', 'allow region eu')).toEqual({ kind: 'query', text: 'gpu_ram>=8' });
  });
  it('change a requirement beside the query', () => {
    expect(changed('gpu_ram>=24', 'max_price_per_hour', 'raise max price to 0.31')).toEqual({ kind: 'requirement', field: 'max_price_per_hour', value: '0.31' });
    expect(changed('', 'gpus', 'lower gpus to 2')).toEqual({ kind: 'requirement', field: 'gpus', value: '2' });
    expect(changed('', 'nodes', 'lower nodes to 3')).toEqual({ kind: 'requirement', field: 'nodes', value: '3' });
    expect(changed('', 'network', 'do without a network')).toEqual({ kind: 'requirement', field: 'network', value: '' });
    const gangs = { ...empty_form, nodes: '4', tasks: '8', network: true };
    expect(with_requirement(gangs, 'nodes', '3')).toEqual({ ...gangs, nodes: '3', tasks: '6' });
    expect(with_requirement(gangs, 'network', '')).toEqual({ ...gangs, network: false });
    expect(with_requirement(gangs, 'max_price_per_hour', '0.31').max_price_per_hour).toBe('0.31');
    expect(with_requirement(gangs, 'colour', 'red')).toEqual(gangs);
    expect(changed('', 'isolation_min', 'accept isolation runc')).toEqual({ kind: 'requirement', field: 'isolation_min', value: 'RUNC' });
  });
  it('leave alone what no change of the text can do', () => {
    expect(changed('gpu_ram>=24', '', 'wait: 3 matching offers are busy')).toEqual({ kind: 'none' });
    expect(changed('gpu_ram>=24', 'region', 'accept region eu')).toEqual({ kind: 'none' });
  });
});

describe('the end of a lease', () => {
  it('is told with what it does to the money, as the market has it', () => {
    expect(money_of_end({ reason: 'MARKET_FAULT', blame: 'BLAME_MARKET' })).toContain('All that this lease was charged is refunded');
    expect(money_of_end({ reason: 'PREEMPTED', blame: 'BLAME_MARKET' })).toContain('The proven time is charged');
    expect(money_of_end({ reason: 'HOST_LOST', blame: 'BLAME_PROVIDER' })).toContain('refunded');
    expect(money_of_end({ reason: 'STOPPED', blame: 'BLAME_RENTER' })).toBe('The proven time up to then is charged.');
  });
});
