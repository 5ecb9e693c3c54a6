// What people begin with: the job files of examples/jobs, read when the console is built (vite.config.ts). The form
// fills itself with one, and everything can be changed.
import type { JobForm } from './job_form';

export interface Template {
  id: string; // its path in examples/jobs
  name: string;
  about: string; // a sentence
  more: string; // what one has to know beside it
  input: string; // the folder that it needs; empty: none
  changes: Partial<JobForm>; // of the empty form
}

// The form with the template. Which offers will do is the template's to say where nobody has said it.
export function with_template(template: Template, before: JobForm, empty: JobForm, former?: Template): JobForm {
  const query_is_own = before.query !== '' && before.query !== former?.changes.query;
  return { ...empty, ...template.changes, template: template.id, query: query_is_own ? before.query : (template.changes.query ?? '') };
}
