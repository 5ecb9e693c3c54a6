// The console's reader of job files and the command line's say the same of the same files: the wrong ones
// are those of tests/system/job_file_test.py.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import { read_job_file, write_job_file, WrongFile } from '../src/lib/job_file';
import { asked_of, cannot_run, empty_form, file_of_form, form_of_file, order_of, type JobForm } from '../src/lib/job_form';

const of_root = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const wrong_files = JSON.parse(of_root('tests/system/wrong_job_files.json')) as [string, string][];
const verdict = (text: string) => {
  try {
    read_job_file(text);
    return 'right';
  } catch (error) {
    if (!(error instanceof WrongFile)) throw error;
    return error.message;
  }
};

describe('a wrong job file', () => {
  it.each(wrong_files)('%j', (text, words) => {
    expect(verdict(text)).toMatch(/^[1-9]\d*:[1-9]\d*: /);
    expect(verdict(text)).toContain(words);
  });
  // Beside what the shared list has: `fallow validate` says the same words at the same place.
  it.each([
    ['run: x\n\t', '2:1: this is no YAML: illegal tab when looking for indentation'],
    ['run: x\n\t\n', '2:1: this is no YAML: illegal tab when looking for indentation'],
    ['run: x\nname: *nope\n', '2:7: this is no YAML: the referenced anchor is not defined'],
    ['run: *a\n', '1:6: this is no YAML: the referenced anchor is not defined'],
    ['run: x\nname: grün\nenv: {ü: [1]}\n', '3:11: the value of ü is one text'],
    ['run: x\nenv: {😀: y, b: [1]}\n', '2:19: the value of b is one text'],
    ['run: !!str\nname: !!null\n', 'right'],
  ])('%j, word by word', (text, words) => expect(verdict(text)).toBe(words));
  it.each(['run: "a', 'run: "a\n', "run: 'a\ntasks: 2\n"])('with an open quote: %j', (text) => expect(verdict(text)).toContain('this is no YAML'));
  it('is gone to by its characters, not its bytes', () => {
    const text = 'run: x\nenv: {😀: y, b: [1]}\n';
    try {
      read_job_file(text);
      expect.unreachable();
    } catch (error) {
      expect(text.slice((error as WrongFile).at)).toBe('[1]}\n');
    }
  });
  it('may be nested as deep as it likes', () => {
    expect(verdict(`run: ${'['.repeat(100_000)}`)).toContain('this is no YAML');
  });
});

describe('a right job file', () => {
  it('is read as it is written, amounts to the last digit', () => {
    const example = /```|^ {4}name: render[\s\S]*?(?=\n\| field)/m.exec(of_root('docs/job-files.md'))![0].replace(/^ {4}/gm, '');
    const file = read_job_file(example);
    expect(file.values).toMatchObject({ name: 'render', query: 'gpu_ram>=24 region in [eu,us]', hours: '0.5', max_price: '0.40', tasks: '12', input: './scene', output: './tiles', budget: '2.00' });
    expect(file.environment).toEqual([{ name: 'QUALITY', value: 'high' }]);
    expect(file.values.setup).toBe('test -f scene.obj\n');
  });
  it('names what anchors stand for', () => {
    expect(read_job_file('name: &n hello\nrun: *n\n').values).toEqual({ name: 'hello', run: 'hello' });
  });
});

describe('form and file', () => {
  const forms: Partial<JobForm>[] = [
    { command: 'echo "hi: there"\n  nproc # not a comment' },
    { command: ' leading', name: '123', query: "gpu_name='RTX 4090'", budget: '0.40', project: 'yes', max_price_per_hour: '1.10' },
    { words: ['python3', '-c', 'print("a\\nb")'], environment: 'A=1\nB=x: y\nEMPTY=' },
    { command: 'x', nodes: '4', tasks: '8', deadline_hours: '6', restart_minutes: '2.5', attempts_max: '3', restart: false, wait: false, network: true, isolation_min: 'GVISOR', output: false },
    { command: 'x', query: 'gpu_ram>=24\nregion=eu', name: 'two\nlines: "x"', image: 'a\n b', project: 'null', hours: '1e1', device_share: '0.3333', memory_gb: '0.0625', budget: '99999999999999999999.10' },
    { command: 'x', settings: [{ name: 'KEY', value: '-----BEGIN\n  two \n' }, { name: '2', value: ' led' }, { name: '1', value: 'a' }, { name: '1', value: 'b' }, { name: '__proto__', value: '' }] },
    { command: 'x', image: 'ghcr.io/org/tool', image_user: 'me', image_password: 'env:PASS', secrets: [{ name: 'TOKEN', value: 'env:TOKEN' }, { name: 'KEY', value: 'file:./a key' }] },
    { command: 'x\n', tier: 'SPOT', max_price_per_hour: '0.40', objective: 'COST_TO_COMPLETE', workload_class: 'FP16', near: 'eu', device_share: '0.5', memory_gb: '8', cpu_cores: '2.5', disk_gb: '10', setup: 'apt list\ntrue', image: 'docker.io/library/python:3.12', hours: '0.25' },
  ];
  it.each(forms)('say the same: %j', (some) => {
    const form: JobForm = { ...empty_form, ...some };
    const text = write_job_file(file_of_form(form));
    expect(form_of_file(read_job_file(text), form)).toEqual(form);
    expect(write_job_file(file_of_form(form_of_file(read_job_file(text), form)))).toBe(text);
  });
  it('keep what only the command line does, and do not run it', () => {
    const text = 'name: sweep\nmatrix:\n  RATE: [0.1, "a b"]\n  SEED: [1, 2]\nports: [8888]\nresources:\n  hours: 2\n  any_of:\n    - query: gpu_name=A\n      gpus: 2\n    - query: gpu_name=B\nrun: x\n';
    const form = form_of_file(read_job_file(text), empty_form);
    expect(cannot_run(form)).toContain('fallow run -f');
    const again = read_job_file(write_job_file(file_of_form(form)));
    expect(again).toEqual(read_job_file(text));
    expect(again.beyond).toEqual({ matrix: { RATE: ['0.1', 'a b'], SEED: ['1', '2'] }, ports: ['8888'], any_of: [{ query: 'gpu_name=A', gpus: '2' }, { query: 'gpu_name=B' }] });
  });
  it('order what the command line orders', () => {
    const gang = form_of_file(read_job_file('run: train\nresources:\n  nodes: 2\n'), empty_form);
    expect(asked_of(gang)).toMatchObject({ nodes: 2, tasks: 2, tier: 'ON_DEMAND' });
    expect(order_of(gang, 'q').deadline_hours).toBeUndefined();
    const form = form_of_file(read_job_file('run: train\nsetup: prepare\nproject: p\ndeadline_hours: 6\nrestart_minutes: 3\nattempts: 2\ncheckpoint_seconds: 30\nrestart: false\nwait: false\n'), empty_form);
    expect(asked_of(form)).toMatchObject({ tasks: 1, tier: 'ON_DEMAND' });
    expect(order_of(form, 'q')).toMatchObject({ quote: 'q', project: 'p', deadline_hours: 6, restart_hours: 0.05, attempts_max: 2, no_wait: true, workload: { command: ['sh', '-c', 'set -e\nprepare\nset +e\ntrain'], collect_output: false, checkpoint_seconds: 30, no_restart: true } });
  });
  it('order the environment of a file to the last byte', () => {
    const form = form_of_file(read_job_file('run: x\nenv:\n  A: |\n    one\n    two\n  B: " c "\n'), empty_form);
    expect(order_of(form, 'q').workload!.environment).toEqual([{ name: 'A', value: 'one\ntwo\n' }, { name: 'B', value: ' c ' }]);
    expect(cannot_run(form)).toBeNull();
  });
  it('take the numbers that a file may have', () => {
    expect(asked_of(form_of_file(read_job_file('run: x\nresources: {hours: 1e1, share: 0.3333, memory_gb: 0.0625}\n'), empty_form))).toMatchObject({ hours: 10, device_share: 0.3333, memory_gb: 0.0625 });
    for (const device_share of ['0', '1.1', '', 'x']) expect(asked_of({ ...empty_form, device_share })).toBeNull();
  });
  it('are not run while something in them is wrong', () => {
    expect(cannot_run({ ...empty_form, environment: 'FOO' })).toBe('Environment: One NAME=value a line.');
    expect(cannot_run({ ...empty_form, budget: '1,5' })).toBe('Budget: An amount such as 0.40.');
    expect(cannot_run({ ...empty_form, input: './scene' })).toContain('./scene');
    expect(cannot_run({ ...empty_form, input: './scene', input_manifest: 'ab' })).toBeNull();
    expect(cannot_run(form_of_file(read_job_file('run: x\nsecrets:\n  TOKEN: env:T\n'), empty_form))).toContain('fallow run -f');
    expect(cannot_run({ ...empty_form, image_user: 'me' })).toContain('fallow run -f');
    expect(cannot_run({ ...empty_form, environment: 'FOO=', budget: '1.50' })).toBeNull();
  });
  it('ask no price for what is wrong', () => {
    expect(asked_of({ ...empty_form, tasks: '5', nodes: '2' })).toBeNull();
    expect(asked_of({ ...empty_form, tasks: '2', nodes: '2', deadline_hours: '6' }), 'gangs have no deadline').toBeNull();
    expect(asked_of({ ...empty_form, tier: 'SPOT' })).toBeNull();
    expect(asked_of({ ...empty_form, network: true, egress_gb: '2 GB' })).toBeNull();
    expect(asked_of({ ...empty_form, network: true, egress_gb: '2.5' })).toMatchObject({ network: 'EGRESS', egress_gb: 2.5 });
    expect(asked_of({ ...empty_form, egress_gb: '2 GB' }), 'its field stands only beside a network').not.toBeNull();
    expect(asked_of({ ...empty_form, hours: 'many' })).toBeNull();
  });
});
