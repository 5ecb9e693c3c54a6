import templates from 'virtual:job_templates';
import { describe, expect, it } from 'vitest';

import { asked_of, cannot_run, empty_form, runs_nothing } from '../src/lib/job_form';
import { with_template } from '../src/lib/templates';
import { template_of } from '../tools/job_templates';

const named = (name: string) => templates.find((one) => one.name === name)!;

describe('templates', () => {
  it('are the job files of examples/jobs, those that run from a browser first', () => {
    expect(templates.map((one) => one.id).sort()).toEqual(['blender/blender.yaml', 'files.yaml', 'jupyter.yaml', 'pathtrace.yaml', 'shell.yaml', 'sweep.yaml', 'train/train.yaml']);
    const inputs = templates.map((one) => one.input !== '');
    expect(inputs).toEqual([...inputs].sort());
    expect(named('Parameter sweep')).toMatchObject({ about: 'One task for each of the values', more: 'As many tasks as words in RATES.', input: '' });
    expect(named('Path tracer')).toMatchObject({ id: 'pathtrace.yaml', about: 'A picture in twelve tiles, each a task', input: './scene' });
  });
  it('fill the form so that it has a price, and runs unless it needs a folder', () => {
    for (const template of templates) {
      const form = with_template(template, empty_form, empty_form);
      expect(asked_of(form), template.id).not.toBeNull();
      expect(runs_nothing(form)).toBe(false);
      expect(cannot_run(form) === null, template.id).toBe(template.input === '');
    }
    expect(with_template(named('Parameter sweep'), empty_form, empty_form)).toMatchObject({ name: 'sweep', tasks: '4', hours: '0.5', environment: 'RATES=0.1 0.01 0.001 0.0001', output: true });
    expect(with_template(named('Shell box'), empty_form, empty_form).output).toBe(false);
  });
  it('leave alone which offers somebody has said will do, and nothing else', () => {
    const sweep = named('Parameter sweep');
    const chosen = { ...empty_form, query: 'node=7', setup: 'true', nodes: '3' };
    expect(with_template(sweep, chosen, empty_form)).toMatchObject({ query: 'node=7', setup: '', nodes: '1' });
    expect(with_template(sweep, { ...empty_form, input: './a', input_manifest: 'ab' }, empty_form)).toMatchObject({ input: '', input_manifest: '' });
    const swept = with_template(sweep, empty_form, empty_form);
    expect(with_template(named('Path tracer'), swept, empty_form, sweep).query).toBe('gpu_ram>=2');
  });
  it('say what is wrong with the head of a file', () => {
    expect(() => template_of('x.yaml', 'run: true\n')).toThrow('x.yaml: its first comment');
    expect(template_of('x.yaml', '# A job: does it\nrun: true\n')).toMatchObject({ name: 'A job', about: 'Does it', more: '', changes: { command: 'true', output: false } });
  });
});
