// The files of an output folder, each to be saved.
import { useQuery } from '@tanstack/react-query';

import { error_of, unreachable } from '../api/client';
import { parse_manifest, show_bytes, type ManifestFile } from '../lib/manifest';
import { Empty, View } from './states';

async function fetch_manifest(digest: string): Promise<ManifestFile[]> {
  const response = await fetch(`/v1/artifacts/${digest}`, { credentials: 'same-origin' }).catch(() => {
    throw unreachable();
  });
  if (!response.ok) throw error_of(await response.json().catch(() => null), response.status);
  const files = parse_manifest(await response.text());
  if (!files) throw new Error('what is stored there is no list of files');
  return files;
}

export const files_shown_max = 200;
export const useManifest = (digest: string) => useQuery({ queryKey: ['manifest', digest], queryFn: () => fetch_manifest(digest), staleTime: Infinity });

export function Files({ manifest }: { manifest: string }) {
  const files = useManifest(manifest);
  return (
    <View of={files} what="files">
      {(list) =>
        list.length === 0 ? (
          <Empty title="It left no files" />
        ) : (
          <ul className="files">
            {list.slice(0, files_shown_max).map((file) => (
              <li key={file.path}>
                <a href={`/v1/artifacts/${file.digest}`} download={file.path.split('/').pop()}>
                  {file.path}
                </a>{' '}
                <span className="muted">{show_bytes(file.bytes)}</span>
              </li>
            ))}
            {list.length > files_shown_max && <li className="muted">and {list.length - files_shown_max} more: `fallow run --out` fetches all of them</li>}
          </ul>
        )
      }
    </View>
  );
}
