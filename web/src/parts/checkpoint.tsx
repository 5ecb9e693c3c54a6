// What a checkpoint holds. Its list may be long, so it is read when somebody asks for it.
import { useState } from 'react';

import { ApiError } from '../api/client';
import { joined_files, show_bytes } from '../lib/manifest';
import { plural } from '../lib/words';
import { files_shown_max, useManifest } from './files';
import { Empty, View } from './states';

// `own`: the lease has saved it itself, and was not given it.
export function CheckpointBox({ manifest, own }: { manifest: string; own: boolean }) {
  const [open, set_open] = useState(false);
  return (
    <details onToggle={(event) => set_open(event.currentTarget.open)}>
      <summary>{own ? 'What its last checkpoint holds' : 'What the checkpoint holds that it began with'}</summary>
      {open && <Contents manifest={manifest} />}
    </details>
  );
}

function Contents({ manifest }: { manifest: string }) {
  const pieces = useManifest(manifest);
  if (pieces.error instanceof ApiError && pieces.error.status === 404) {
    return <Empty title="It is not kept any more">A newer checkpoint has taken its place, or its job ended long ago.</Empty>;
  }
  return (
    <View of={pieces} what="the checkpoint">
      {(list) => {
        const files = joined_files(list);
        return (
          <>
            <p>
              {plural(files.length, 'file')}, {show_bytes(files.reduce((sum, file) => sum + file.bytes, 0))} together.
            </p>
            <ul className="files">
              {files.slice(0, files_shown_max).map((file) => (
                <li key={file.path}>
                  {file.pieces.length === 1 ? (
                    <a href={`/v1/artifacts/${file.pieces[0]}`} download={file.path.split('/').pop()}>
                      {file.path}
                    </a>
                  ) : (
                    file.path
                  )}{' '}
                  <span className="muted">
                    {show_bytes(file.bytes)}
                    {file.pieces.length > 1 && `, in ${file.pieces.length} pieces`}
                  </span>
                </li>
              ))}
              {files.length > files_shown_max && <li className="muted">and {files.length - files_shown_max} more</li>}
            </ul>
          </>
        );
      }}
    </View>
  );
}
