// Saves what the server answers as a file.
import { useState } from 'react';

import { save_file } from './basics';
import { ErrorBox } from './states';

// Not a link, which would not say for whom the page acts. `ask`: as a blob, which browsers keep on the disk where it is
// large; as text, what begins a file of CSV would be lost.
export function SaveButton({ label, file, type, ask }: { label: string; file: string; type: string; ask: () => Promise<unknown> }) {
  const [saving, set_saving] = useState(false);
  const [error, set_error] = useState<unknown>(null);
  const save = async () => {
    set_saving(true);
    set_error(null);
    try {
      save_file(file, [(await ask()) as Blob], type);
    } catch (failure) {
      set_error(failure);
    } finally {
      set_saving(false);
    }
  };
  return (
    <>
      <button type="button" className="plain" disabled={saving} onClick={() => void save()}>
        {saving ? 'One moment…' : label}
      </button>
      {error !== null && <ErrorBox error={error} />}
    </>
  );
}
