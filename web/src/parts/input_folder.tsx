// The folder that every task finds as its working folder.
import { useId, useState } from 'react';

import type { Chosen, Uploaded } from '../api/upload';
import { place_of } from '../lib/folder';
import { with_chosen_input, with_stored_input, type JobForm } from '../lib/job_form';
import { show_bytes } from '../lib/manifest';
import { plural } from '../lib/words';
import { ErrorBox } from './states';

export function InputFolder({ form, set_form }: { form: JobForm; set_form: (change: (before: JobForm) => JobForm) => void }) {
  const id = useId();
  const [uploaded, set_uploaded] = useState<Uploaded | null>(null);
  const [progress, set_progress] = useState<{ done: number; all: number } | null>(null); // null: nothing is on its way
  const [error, set_error] = useState<unknown>(null);
  const send = async (files: Chosen[]) => {
    const { folder } = place_of(files[0]!.webkitRelativePath);
    set_error(null);
    set_progress({ done: 0, all: 0 });
    set_form((before) => with_chosen_input(before, folder));
    try {
      const { upload_folder } = await import('../api/upload');
      const stored = await upload_folder(files, (done, all) => set_progress({ done, all }));
      set_uploaded(stored);
      set_form((before) => with_stored_input(before, folder, stored.manifest));
    } catch (failure) {
      set_error(failure);
    } finally {
      set_progress(null);
    }
  };
  const leave_out = () => set_form((before) => ({ ...before, input: '', input_manifest: '' }));
  const stands = uploaded !== null && form.input_manifest === uploaded.manifest;
  return (
    <div className="field">
      <label htmlFor={id}>Input folder{form.input && !form.input_manifest && !progress && `: ${form.input} is needed`}</label>
      <input
        id={id}
        type="file"
        multiple
        disabled={progress !== null}
        aria-describedby={`${id}-about`}
        {...{ webkitdirectory: '' }}
        onChange={(event) => {
          const files = [...(event.target.files ?? [])];
          event.target.value = ''; // the same folder may be chosen again
          if (files.length > 0) void send(files);
        }}
      />
      <p id={`${id}-about`} className="hint" role="status">
        {progress
          ? `Storing it: ${show_bytes(Math.round(progress.done))} of ${show_bytes(progress.all)}…`
          : stands
            ? `${uploaded.folder}: ${plural(uploaded.files, 'file')}, ${show_bytes(uploaded.bytes)}, stored. Every task finds them in its working folder.`
            : form.input_manifest !== ''
              ? `${form.input}: stored already. Every task finds its files in its working folder.`
              : 'None, or one whose files every task finds in its working folder. It is stored in the market before the job is ordered.'}{' '}
        {form.input !== '' && progress === null && (
          <button type="button" className="link" onClick={leave_out}>
            Leave it out
          </button>
        )}
      </p>
      {error !== null && <ErrorBox error={error} />}
    </div>
  );
}
