import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

import type { Order } from '../src/api/client';
import { cannot_again, form_again } from '../src/lib/again';
import { asked_of, cannot_run, order_of } from '../src/lib/job_form';

const requirements = {
  query: 'gpu_ram>=24', gpus: 2, device_thousandths: 500, tier: 'SPOT', objective: 'FASTEST', duration_us: '5400000000', price_per_hour_micros_max: '400000', memory_mb: 1500, cpu_thousandths: 0, disk_mb: 0,
  network: 'EGRESS', isolation_min: 'ISOLATION_UNSPECIFIED', nodes: 1, workload_class: 'FP16', near: 'eu',
};
const workload = { image: '', command: ['sh', '-c', 'echo "$FALLOW_TASK/$FALLOW_TASKS $GREETING"'], environment: [{ name: 'GREETING', value: 'hi' }], input_manifest: '', collect_output: true, secrets: [], image_login: false, checkpoint_seconds: 0 };
const order = (of: object = {}) => ({ id: '7', name: 'sweep', project: 'thesis', tasks_total: 12, requirements, workload, ...of }) as unknown as Order;

// What the tasks of the new job say, each with its own number.
const said = (command: string[], tasks: number) =>
  Array.from({ length: tasks }, (_, task) => spawnSync(command[0]!, command.slice(1), { env: { PATH: process.env.PATH, FALLOW_TASK: String(task), FALLOW_TASKS: String(tasks), GREETING: 'hi' }, encoding: 'utf8' }).stdout);

describe('failed tasks that run again', () => {
  it('find the number that they had, and as many tasks', () => {
    const again = order_of(form_again(order(), [3, 7, 10]), 'q').workload!;
    expect(said(again.command!, 3)).toEqual(['3/12 hi\n', '7/12 hi\n', '10/12 hi\n']);
    // And again, of those.
    const twice = order({ tasks_total: 3, workload: { ...workload, command: again.command } });
    expect(said(order_of(form_again(twice, [2]), 'q').workload!.command!, 1)).toEqual(['10/12 hi\n']);
  });
  it('keep words with blanks as they are', () => {
    const words = order({ workload: { ...workload, command: ['sh', '-c', 'echo "$FALLOW_TASK: $1, $2"', 'sh', 'a b', '$HOME'] } });
    expect(said(order_of(form_again(words, [4, 5]), 'q').workload!.command!, 2)).toEqual(['4: a b, $HOME\n', '5: a b, $HOME\n']);
  });
  it('are ordered as they were, and all of them as the job was', () => {
    const form = form_again(order(), [3, 7]);
    expect(asked_of(form)).toEqual({ query: 'gpu_ram>=24', gpus: 2, device_share: 0.5, tasks: 2, hours: 1.5, tier: 'SPOT', objective: 'FASTEST', workload_class: 'FP16', near: 'eu', max_price_per_hour: '0.40', memory_gb: 1.5, network: 'EGRESS' });
    expect(order_of(form, 'q')).toMatchObject({ name: 'sweep', project: 'thesis', workload: { environment: [{ name: 'GREETING', value: 'hi' }], collect_output: true } });
    expect(cannot_run(form)).toBeNull();
    const all = Array.from({ length: 12 }, (_, task) => task);
    expect(order_of(form_again(order(), all), 'q').workload!.command).toEqual(workload.command);
    const words = ['python3', 'train.py'];
    expect(order_of(form_again(order({ workload: { ...workload, command: words } }), all), 'q').workload!.command).toEqual(words);
  });
  it('have the input that they had, and as long as they had', () => {
    const bytes = Uint8Array.from({ length: 32 }, (_, at) => at * 8);
    const form = form_again(order({ workload: { ...workload, input_manifest: btoa(String.fromCharCode(...bytes)) }, created_at: '2026-11-22T10:00:00Z', deadline: '2026-11-22T16:00:00Z' }), [1]);
    expect(order_of(form, 'q').input_manifest).toBe(Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(''));
    expect(cannot_run(form)).toBeNull();
    expect([form.deadline_hours, form.tier]).toEqual(['6', 'ON_DEMAND']);
  });
  it('are not those of a browser where they have secrets, nor a part of a gang', () => {
    expect(cannot_again(order(), [1])).toBeNull();
    expect(cannot_again(order({ workload: { ...workload, secrets: ['TOKEN'] } }), [1])).toMatch('secrets');
    expect(cannot_again(order({ workload: { ...workload, image_login: true } }), [1])).toMatch('secrets');
    const gangs = order({ tasks_total: 2, requirements: { ...requirements, nodes: 2 } });
    expect(cannot_again(gangs, [1])).toMatch('gang');
    expect(cannot_again(gangs, [0, 1])).toBeNull();
  });
});
