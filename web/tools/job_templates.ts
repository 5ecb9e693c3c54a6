// The job files of examples/jobs as templates of the page New, for the build: the page itself reads no YAML for them.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { read_job_file } from '../src/lib/job_file';
import { empty_form, form_of_file, type JobForm } from '../src/lib/job_form';
import type { Template } from '../src/lib/templates';

// "# Name: what it does. What else there is to know." before anything else.
const head = /^# ([^:]+): (.+?)(?:\. (.+))?$/;

export function template_of(id: string, text: string): Template {
  const comment = /^(?:# .*\n)+/.exec(text)?.[0] ?? '';
  const said = head.exec(`# ${comment.replace(/^# /gm, '').trim().replace(/\n/g, ' ')}`);
  if (!said) throw new Error(`${id}: its first comment is "# Name: what it does. What else there is to know."`);
  const [, name, about, more = ''] = said as unknown as [string, string, string, string?];
  const form = form_of_file(read_job_file(text), empty_form);
  const changes = Object.fromEntries(Object.entries(form).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(empty_form[key as keyof JobForm])));
  return { id, name, about: about[0]!.toUpperCase() + about.slice(1).replace(/\.$/, ''), more, input: form.input, changes };
}

// Those that run from a browser first.
export function templates_in(folder: string): { templates: Template[]; files: string[] } {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.yaml'));
  const templates = names.map((name) => template_of(name, readFileSync(join(folder, name), 'utf8')));
  const order = (one: Template) => `${one.input === '' ? 0 : 1} ${one.name}`;
  return { templates: templates.sort((a, b) => (order(a) < order(b) ? -1 : 1)), files: names.map((name) => join(folder, name)) };
}
