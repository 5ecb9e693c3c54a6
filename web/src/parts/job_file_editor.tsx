// The job as a file, beside the form: what one says, so does the other.
import { useCallback, useEffect, useRef, useState } from 'react';

import { read_job_file, write_job_file, WrongFile, type JobFile } from '../lib/job_file';
import { file_of_form, form_of_file, type JobForm } from '../lib/job_form';
import { Field, save_file } from './basics';

// `set_wrong`: what keeps the file from being run, or null.
export default function JobFileEditor({ form, set_form, set_wrong }: { form: JobForm; set_form: (form: JobForm) => void; set_wrong: (why: string | null) => void }) {
  const [text, set_text] = useState(() => write_job_file(file_of_form(form)));
  const [error, set_error] = useState<WrongFile | null>(null);
  const area = useRef<HTMLTextAreaElement>(null);
  const own = useRef(form); // the form as this editor last made or saw it

  // What the file says, or null: then the reader has said what is wrong.
  const read = useCallback((file: string): JobFile | null => {
    try {
      const job = read_job_file(file);
      set_error(null);
      set_wrong(null);
      return job;
    } catch (failure) {
      if (!(failure instanceof WrongFile)) throw failure;
      set_error(failure);
      set_wrong('The job file is not right yet.');
      return null;
    }
  }, [set_wrong]);
  useEffect(() => {
    if (form === own.current) return;
    own.current = form;
    const written = write_job_file(file_of_form(form));
    set_text(written);
    read(written);
  }, [form, read]);
  useEffect(() => () => set_wrong(null), [set_wrong]);

  const edit = (next: string) => {
    set_text(next);
    const job = read(next);
    if (!job) return;
    own.current = form_of_file(job, form);
    set_form(own.current);
  };
  const go_there = () => {
    if (!error || !area.current) return;
    const { at } = error;
    area.current.focus();
    area.current.setSelectionRange(at, at + (/^\S+/.exec(text.slice(at))?.[0].length ?? 0));
  };
  return (
    <div className="stack">
      <Field label="Job file (YAML)" hint={<>What <code>fallow run -f</code> runs. Comments go when the form is used.</>} error={error && error.message}>
        {(props) => <textarea {...props} ref={area} rows={Math.min(40, Math.max(16, text.split('\n').length + 1))} spellCheck={false} value={text} onChange={(event) => edit(event.target.value)} className="job-file" />}
      </Field>
      <div className="row">
        {error && (
          <button type="button" className="plain" onClick={go_there}>
            Go to line {error.line}
          </button>
        )}
        <button type="button" className="plain" disabled={error !== null} onClick={() => save_file(`${form.name || 'job'}.yaml`, [text], 'application/yaml')}>
          Save
        </button>
      </div>
    </div>
  );
}
