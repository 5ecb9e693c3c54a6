// A folder as a manifest names it: docs/formats/artifact.md.
import type { ManifestFile } from './manifest';

const bytes_of = (text: string) => new TextEncoder().encode(text);
const control = /[\u0000-\u001f\u007f-\u009f]/;
const lone_surrogate = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
const part_bytes_max = 255;
const path_bytes_max = 1_024;

// Paths ascend by their bytes, which is not the order of a script's strings.
function by_bytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at += 1) if (a[at] !== b[at]) return a[at]! - b[at]!;
  return a.length - b.length;
}

// Why a file cannot go along; null: it can.
export function wrong_path(path: string): string | null {
  if (control.test(path) || lone_surrogate.test(path)) return `${JSON.stringify(path)} has a character that no file of a job may have in its name: rename it`;
  if (bytes_of(path).length > path_bytes_max || path.split('/').some((part) => bytes_of(part).length > part_bytes_max)) return `the name ${path} is too long`;
  return null;
}

// The folder's own name, and where a file stands in it: of "scene/in/a.txt".
export function place_of(path: string): { folder: string; path: string } {
  const at = path.indexOf('/');
  return { folder: path.slice(0, at), path: path.slice(at + 1) };
}

// A browser does not say what may be executed: a program or a script is known by its beginning.
export const is_program = (head: Uint8Array) => [[0x7f, 0x45, 0x4c, 0x46], [0x23, 0x21]].some((magic) => magic.every((byte, at) => head[at] === byte));

export function manifest_of(files: ManifestFile[]): string {
  const sorted = files.map((file) => ({ file, bytes: bytes_of(file.path) })).sort((a, b) => by_bytes(a.bytes, b.bytes));
  return `fallow manifest v1\n${sorted.map(({ file }) => `${file.digest} ${file.bytes} ${file.executable ? 'x' : '-'} ${file.path}\n`).join('')}`;
}
