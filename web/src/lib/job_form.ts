// A job as the New page holds it: text as it is typed. What is wrong with it, what it asks a price for,
// what it orders, and the job file that says the same.
import type { QuoteAsked } from '../api/asks';
import type { Schemas } from '../api/client';
import type { JobFile } from './job_file';
import { parse_money } from './money';

export interface JobForm {
  template: string;
  name: string;
  command: string; // text for the shell, unless there are words
  words: string[]; // of a file whose `run` is a list
  setup: string;
  environment: string; // one NAME=value a line, unless there are settings
  settings: { name: string; value: string }[]; // of a file: such as no line of text says, line breaks and all
  secrets: { name: string; value: string }[]; // of a file: such as no browser reads
  image: string;
  image_user: string; // likewise
  image_password: string;
  input: string; // a folder, as a file names it
  input_manifest: string; // digest of what was stored of it; empty: nothing yet
  beyond: Record<string, unknown>; // of a file: see JobFile
  output: boolean;
  query: string;
  gpus: string;
  nodes: string;
  device_share: string;
  hours: string;
  tasks: string;
  tier: Schemas['Tier'];
  objective: Schemas['Objective'];
  workload_class: Schemas['WorkloadClass'];
  near: string;
  max_price_per_hour: string;
  memory_gb: string;
  cpu_cores: string;
  disk_gb: string;
  network: boolean;
  egress_gb: string; // with the network
  isolation_min: string;
  budget: string;
  project: string;
  deadline_hours: string;
  restart_minutes: string;
  attempts_max: string;
  checkpoint_seconds: string; // of a file
  restart: boolean; // a task that ran may be placed again
  wait: boolean;
}

export const empty_form: JobForm = {
  template: '', name: '', command: '', words: [], setup: '', environment: '', settings: [], secrets: [], image: '', image_user: '', image_password: '', input: '', input_manifest: '', beyond: {}, output: true, query: '', gpus: '1', nodes: '1', device_share: '1', hours: '1', tasks: '1', tier: 'ON_DEMAND',
  objective: 'CHEAPEST', workload_class: 'GENERAL', near: '', max_price_per_hour: '', memory_gb: '', cpu_cores: '', disk_gb: '', network: false, egress_gb: '', isolation_min: '', budget: '', project: '', deadline_hours: '', restart_minutes: '', attempts_max: '', checkpoint_seconds: '', restart: true, wait: true,
};

// As job files have them.
const number = /^(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const amount = new RegExp(`^$|${number.source}`);
const whole = /^[1-9]\d{0,4}$/;
export const numbers = {
  gpus: { label: 'Devices a task', pattern: whole, say: 'A whole number from 1 on.' },
  nodes: { label: 'Nodes that start together', pattern: whole, say: 'A whole number from 1 on.' },
  tasks: { label: 'Tasks', pattern: /^[1-9]\d{0,5}$/, say: 'A whole number from 1 on.' },
  attempts_max: { label: 'Attempts of a task', pattern: /^([1-9]\d{0,4})?$/, say: 'A whole number from 1 on.' },
  device_share: { label: 'Share of each device', pattern: number, say: 'More than 0, at most 1.' },
  hours: { label: 'Hours at most', pattern: number, say: 'A number of hours.' },
  deadline_hours: { label: 'Done within hours', pattern: amount, say: 'A number of hours.' },
  restart_minutes: { label: 'Minutes a start takes', pattern: amount, say: 'A number of minutes.' },
  memory_gb: { label: 'Memory (GB)', pattern: amount, say: 'A number of GB.' },
  cpu_cores: { label: 'Processor cores', pattern: amount, say: 'A number of cores.' },
  disk_gb: { label: 'Disk (GB)', pattern: amount, say: 'A number of GB.' },
  egress_gb: { label: 'Sends at most (GB)', pattern: amount, say: 'A number of GB.' },
} satisfies Partial<Record<keyof JobForm, { label: string; pattern: RegExp; say: string }>>;
export type NumberField = keyof typeof numbers;

export function wrong(form: JobForm, field: keyof JobForm): string | null {
  const value = form[field];
  if (field === 'egress_gb' && !form.network) return null; // it stands nowhere then
  if (field in numbers && !numbers[field as NumberField].pattern.test(String(value).trim())) return numbers[field as NumberField].say;
  if (field === 'device_share' && !(Number(value) > 0 && Number(value) <= 1)) return numbers.device_share.say;
  if ((field === 'max_price_per_hour' || field === 'budget') && value !== '' && parse_money(String(value)) === null) return 'An amount such as 0.40.';
  if (field === 'max_price_per_hour' && form.tier === 'SPOT' && !value) return 'A spot lease needs a bid.';
  if (field === 'environment' && form.environment.split('\n').some((line) => line.trim() && !/^[A-Za-z_][A-Za-z0-9_]*=/.test(line.trim()))) return 'One NAME=value a line.';
  if (field === 'deadline_hours' && value !== '' && Number(form.nodes) > 1) return 'Not for gangs: tasks that start together have no deadline.';
  if (field === 'tasks' && Number(form.nodes) > 1 && Number(form.tasks) % Number(form.nodes) !== 0) return `A multiple of the ${form.nodes} nodes of a gang.`;
  return null;
}

// The form after a change that change_for has made of a relaxation.
export function with_requirement(form: JobForm, field: string, value: string): JobForm {
  if (field === 'network') return { ...form, network: value !== '', egress_gb: value === '' ? '' : form.egress_gb };
  // As many gangs as before, each of fewer nodes.
  if (field === 'nodes') return { ...form, nodes: value, tasks: String((Number(form.tasks) / Number(form.nodes)) * Number(value)) };
  return field in empty_form ? { ...form, [field]: value } : form;
}

const asked_fields: (keyof JobForm)[] = [...(Object.keys(numbers) as NumberField[]), 'max_price_per_hour'];

// What the form asks a price for; null while something in it is wrong.
export function asked_of(form: JobForm): QuoteAsked | null {
  if (asked_fields.some((field) => wrong(form, field))) return null;
  const asked: QuoteAsked = { query: form.query, gpus: Number(form.gpus), tasks: Number(form.tasks), hours: Number(form.hours), tier: form.tier, objective: form.objective, workload_class: form.workload_class };
  if (Number(form.nodes) > 1) asked.nodes = Number(form.nodes);
  if (Number(form.device_share) !== 1) asked.device_share = Number(form.device_share);
  if (form.max_price_per_hour) asked.max_price_per_hour = form.max_price_per_hour.trim();
  if (form.memory_gb) asked.memory_gb = Number(form.memory_gb);
  if (form.cpu_cores) asked.cpu_cores = Number(form.cpu_cores);
  if (form.disk_gb) asked.disk_gb = Number(form.disk_gb);
  if (form.near) asked.near = form.near.trim();
  if (form.network) asked.network = 'EGRESS';
  if (form.network && form.egress_gb) asked.egress_gb = Number(form.egress_gb);
  if (form.image) asked.images = true;
  if (form.isolation_min) asked.isolation_min = form.isolation_min as Schemas['Isolation'];
  return asked;
}

// Why it cannot be run though it has a price; null: it can.
export function cannot_run(form: JobForm): string | null {
  const environment = wrong(form, 'environment');
  if (environment) return `Environment: ${environment}`;
  const budget = wrong(form, 'budget');
  if (budget) return `Budget: ${budget}`;
  if (form.secrets.length > 0 || form.image_user) return 'Secrets are handed over by the fallow program while the job runs, never by a browser: leave them out, or run the file with fallow run -f.';
  const [beyond] = Object.keys(form.beyond);
  if (beyond) return `What ${beyond} says only the fallow program does: leave it out, or run the file with fallow run -f.`;
  return form.input && !form.input_manifest ? `The input ${form.input} is a folder of your own machine, and not stored in the market: wait until it is, choose it, leave it out, or run the file with fallow run -f.` : null;
}

// A folder was chosen: until it is stored there is nothing that a task could be given.
export const with_chosen_input = (form: JobForm, folder: string): JobForm => ({ ...form, input: `./${folder}`, input_manifest: '' });
// It is stored, under this digest. The form may name another one by now.
export const with_stored_input = (form: JobForm, folder: string, manifest: string): JobForm => (form.input === `./${folder}` ? { ...form, input_manifest: manifest } : form);

export const runs_nothing = (form: JobForm) => form.words.length === 0 && form.command.trim() === '';

const settings_of_lines = (environment: string) =>
  environment.split('\n').map((line) => line.trim()).filter(Boolean).map((line) => {
    const equals = line.indexOf('=');
    return { name: line.slice(0, equals), value: line.slice(equals + 1) };
  });

// As lines of text where those say the same.
export function environment_of(settings: JobForm['settings']): Pick<JobForm, 'environment' | 'settings'> {
  const environment = settings.map(({ name, value }) => `${name}=${value}`).join('\n');
  const is_text = !wrong({ ...empty_form, environment }, 'environment') && JSON.stringify(settings_of_lines(environment)) === JSON.stringify(settings);
  return is_text ? { environment, settings: [] } : { environment: '', settings };
}

const settings_of = (form: JobForm) => (form.settings.length > 0 ? form.settings : settings_of_lines(form.environment));

// The order that takes the quote.
export function order_of(form: JobForm, quote: string): Schemas['CreateOrderRequest'] {
  const script = form.setup ? `set -e\n${form.setup}\nset +e\n${form.command}` : form.command;
  const command = form.words.length > 0 ? form.words : ['sh', '-c', script];
  const order: Schemas['CreateOrderRequest'] = {
    quote,
    name: form.name,
    workload: {
      image: form.image, command, environment: settings_of(form), collect_output: form.output, checkpoint_seconds: form.checkpoint_seconds ? Number(form.checkpoint_seconds) : undefined,
      no_restart: form.restart ? undefined : true,
    },
    input_manifest: (form.input && form.input_manifest) || undefined,
    budget: form.budget.trim() || undefined,
    project: form.project || undefined,
    attempts_max: form.attempts_max ? Number(form.attempts_max) : undefined,
    no_wait: form.wait ? undefined : true,
  };
  if (!form.deadline_hours) return order;
  return { ...order, deadline_hours: Number(form.deadline_hours), restart_hours: Number(form.restart_minutes || '5') / 60 };
}

// The names of a field in the file and in the form, where the form holds it as text.
const same: [string, Exclude<keyof JobForm, 'input_manifest' | 'words' | 'beyond' | 'settings' | 'secrets' | 'output' | 'network' | 'restart' | 'wait' | 'tier' | 'objective' | 'workload_class'>][] = [
  ['name', 'name'], ['image', 'image'], ['image_user', 'image_user'], ['image_password', 'image_password'], ['input', 'input'], ['setup', 'setup'], ['run', 'command'], ['tasks', 'tasks'], ['budget', 'budget'], ['project', 'project'], ['deadline_hours', 'deadline_hours'],
  ['restart_minutes', 'restart_minutes'], ['attempts', 'attempts_max'], ['checkpoint_seconds', 'checkpoint_seconds'], ['query', 'query'], ['gpus', 'gpus'], ['nodes', 'nodes'], ['share', 'device_share'], ['hours', 'hours'], ['memory_gb', 'memory_gb'],
  ['cpus', 'cpu_cores'], ['disk_gb', 'disk_gb'], ['egress_gb', 'egress_gb'], ['max_price', 'max_price_per_hour'], ['near', 'near'],
];

export function form_of_file(file: JobFile, before: JobForm): JobForm {
  const { values } = file;
  const form: JobForm = { ...empty_form, template: before.template, words: file.words, secrets: file.secrets, beyond: file.beyond, output: values.output !== undefined };
  for (const [in_file, in_form] of same) if (values[in_file] !== undefined) form[in_form] = values[in_file];
  if (form.input === before.input) form.input_manifest = before.input_manifest;
  if (values.tasks === undefined) form.tasks = form.nodes; // one gang, or one task
  Object.assign(form, environment_of(file.environment));
  form.network = values.network === 'egress' || form.egress_gb !== '';
  form.restart = values.restart !== 'false';
  form.wait = values.wait !== 'false';
  form.tier = (values.tier ?? 'on_demand').toUpperCase() as JobForm['tier'];
  form.objective = (values.objective ?? 'cheapest').toUpperCase() as JobForm['objective'];
  form.workload_class = (values.workload ?? 'general').toUpperCase() as JobForm['workload_class'];
  form.isolation_min = (values.isolation ?? '').toUpperCase();
  return form;
}

export function file_of_form(form: JobForm): JobFile {
  const values: Record<string, string> = {};
  for (const [in_file, in_form] of same) {
    const is_default = form[in_form] === empty_form[in_form] && in_form !== 'command' && in_form !== 'hours';
    if (!is_default) values[in_file] = form[in_form];
  }
  if (form.beyond.matrix !== undefined) delete values.tasks; // it says how many
  if (form.output) values.output = './output';
  if (form.network) values.network = 'egress';
  else delete values.egress_gb; // it would mean a network
  if (!form.restart) values.restart = 'false';
  if (!form.wait) values.wait = 'false';
  if (form.tier !== 'ON_DEMAND') values.tier = form.tier.toLowerCase();
  if (form.objective !== 'CHEAPEST') values.objective = form.objective.toLowerCase();
  if (form.workload_class !== 'GENERAL') values.workload = form.workload_class.toLowerCase();
  if (form.isolation_min) values.isolation = form.isolation_min.toLowerCase();
  return { values, words: form.words, environment: settings_of(form), secrets: form.secrets, beyond: form.beyond };
}
