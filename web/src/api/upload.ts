// A folder of this machine to the market's store, file by file; what is there already is not sent.
import { blake2b } from '@noble/hashes/blake2b';

import { is_program, manifest_of, place_of, wrong_path } from '../lib/folder';
import type { ManifestFile } from '../lib/manifest';
import { acting_for } from './acting';
import { error_of, unreachable } from './client';

export interface Uploaded {
  manifest: string; // digest
  folder: string;
  files: number;
  bytes: number;
}

// A file as a browser's choice of a folder gives it.
export type Chosen = Blob & { webkitRelativePath: string };

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

// `on_bytes`: so many more were read.
async function digest_of(file: Blob, on_bytes: (count: number) => void): Promise<{ digest: string; head: Uint8Array }> {
  const hash = blake2b.create({ dkLen: 32 });
  const reader = file.stream().getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    hash.update(value);
    on_bytes(value.length);
  }
  return { digest: hex(hash.digest()), head: new Uint8Array(await file.slice(0, 4).arrayBuffer()) };
}

async function store(digest: string, bytes: Blob): Promise<void> {
  const team: HeadersInit = acting_for ? { 'Fallow-Team': acting_for } : {};
  const ask = (init: RequestInit) =>
    fetch(`/v1/artifacts/${digest}`, { ...init, headers: { ...team, ...init.headers }, credentials: 'same-origin', cache: 'no-store' }).catch(() => {
      throw unreachable();
    });
  if ((await ask({ method: 'HEAD' })).ok) return;
  const stored = await ask({ method: 'PUT', body: bytes, headers: { 'Content-Type': 'application/octet-stream' } });
  if (!stored.ok) throw error_of(await stored.json().catch(() => null), stored.status);
}

// `on_progress`: bytes done of all, each counted when it is stored. Sent again after a failure it goes on: what arrived stays.
export async function upload_folder(chosen: Chosen[], on_progress: (done: number, all: number) => void): Promise<Uploaded> {
  const all = chosen.reduce((sum, file) => sum + file.size, 0);
  const folder = place_of(chosen[0]?.webkitRelativePath ?? '').folder;
  const files: ManifestFile[] = [];
  for (const file of chosen) {
    const wrong = wrong_path(place_of(file.webkitRelativePath).path);
    if (wrong) throw new Error(wrong);
  }
  let done = 0;
  for (const file of chosen) {
    let read = 0;
    const { digest, head } = await digest_of(file, (count) => {
      read += count;
      on_progress(done + read / 2, all); // half of the way: then it is sent
    });
    await store(digest, file);
    done += file.size;
    on_progress(done, all);
    files.push({ digest, bytes: file.size, executable: is_program(head), path: place_of(file.webkitRelativePath).path });
  }
  const text = new TextEncoder().encode(manifest_of(files));
  const manifest = hex(blake2b(text, { dkLen: 32 }));
  await store(manifest, new Blob([text]));
  return { manifest, folder, files: files.length, bytes: all };
}
