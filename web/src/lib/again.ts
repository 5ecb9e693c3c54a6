// Failed tasks by who is to blame, and the job that runs some of them again: an order of its own, from the beginning.
import type { Order, Schemas, Task } from '../api/client';
import { empty_form, environment_of, type JobForm } from './job_form';
import { format_money } from './money';

export interface FailedGroup {
  blame: Schemas['Blame'];
  tasks: number[];
  reasons: [Schemas['EndReason'], number][]; // with how many tasks each, the most first
}

// Of the last attempt of each. The renter's first: those alone are for the renter to mend.
export function failed_by_blame(tasks: Task[]): FailedGroup[] {
  const groups = new Map<Schemas['Blame'], Task[]>();
  for (const task of tasks) if (task.state === 'FAILED') groups.set(task.last_blame, [...(groups.get(task.last_blame) ?? []), task]);
  return [...groups]
    .map(([blame, failed]) => {
      const counts = new Map<Schemas['EndReason'], number>();
      for (const task of failed) counts.set(task.last_reason, (counts.get(task.last_reason) ?? 0) + 1);
      return { blame, tasks: failed.map((task) => task.index), reasons: [...counts].sort(([, a], [, b]) => b - a) };
    })
    .sort((a, b) => Number(b.blame === 'BLAME_RENTER') - Number(a.blame === 'BLAME_RENTER') || b.tasks.length - a.tasks.length);
}

const is_whole = (order: Order, tasks: number[]) => tasks.length === order.tasks_total;

// Why the page New cannot run these of its tasks again; null: it can.
export function cannot_again(order: Order, tasks: number[]): string | null {
  if ((order.workload?.secrets ?? []).length > 0 || order.workload?.image_login) return 'It has secrets, which no browser hands over: run it again with the fallow program.';
  if ((order.requirements?.nodes ?? 1) > 1 && !is_whole(order, tasks)) return 'Tasks of a gang start together: only the whole job can be run again.';
  return null;
}

// Before the command: each task of the new job becomes the one of the former job that it stands for.
const as_former = (order: Order, tasks: number[]) =>
  `fallow_again() { shift "$FALLOW_TASK"; export FALLOW_TASK="$1" FALLOW_TASKS=${order.tasks_total}; }\nfallow_again ${tasks.join(' ')}\n`;

function command_again(order: Order, tasks: number[]): Pick<JobForm, 'command' | 'words'> {
  const words = order.workload?.command ?? [];
  const before = is_whole(order, tasks) ? '' : as_former(order, tasks);
  if (words.length === 3 && words[0] === 'sh' && words[1] === '-c') return { command: before + words[2]!, words: [] };
  return { command: '', words: before ? ['sh', '-c', `${before}exec "$@"`, 'sh', ...words] : words };
}

const hex_of_base64 = (text: string) => Array.from(atob(text), (char) => char.charCodeAt(0).toString(16).padStart(2, '0')).join('');
const hour_us = 3_600e6;
// 0 is the market's own choice: an empty field.
const thousandths = (count: number | undefined) => (count ? String(count / 1000) : '');

// The order as a form. What it does not show of itself, as how often a task was to be tried, is the market's again.
export function form_again(order: Order, tasks: number[]): JobForm {
  const { requirements: wanted, workload } = order;
  const input = workload?.input_manifest ?? '';
  const form: JobForm = {
    ...empty_form,
    ...command_again(order, tasks),
    ...environment_of((workload?.environment ?? []).map(({ name, value }) => ({ name, value }))),
    name: order.name,
    project: order.project,
    image: workload?.image ?? '',
    output: workload?.collect_output ?? true,
    checkpoint_seconds: workload?.checkpoint_seconds ? String(workload.checkpoint_seconds) : '',
    restart: !workload?.no_restart,
    tasks: String(tasks.length),
  };
  if (input) {
    form.input = `./input-of-job-${order.id}`;
    form.input_manifest = hex_of_base64(input);
  }
  if (order.deadline && order.created_at) form.deadline_hours = String((Date.parse(order.deadline) - Date.parse(order.created_at)) / 3_600e3);
  if (!wanted) return form;
  const price_max = BigInt(wanted.price_per_hour_micros_max);
  return {
    ...form,
    query: wanted.query,
    gpus: String(wanted.gpus),
    nodes: String(wanted.nodes || 1),
    device_share: thousandths(wanted.device_thousandths) || '1',
    hours: String(Number(wanted.duration_us) / hour_us),
    tier: order.deadline ? 'ON_DEMAND' : wanted.tier, // with a deadline the market chooses
    objective: wanted.objective,
    workload_class: wanted.workload_class,
    near: wanted.near,
    max_price_per_hour: price_max > 0n ? format_money(price_max) : '',
    memory_gb: thousandths(wanted.memory_mb),
    cpu_cores: thousandths(wanted.cpu_thousandths),
    disk_gb: thousandths(wanted.disk_mb),
    network: wanted.network === 'EGRESS',
    egress_gb: thousandths(wanted.egress_mb_max),
    isolation_min: wanted.isolation_min === 'ISOLATION_UNSPECIFIED' ? '' : wanted.isolation_min,
  };
}
