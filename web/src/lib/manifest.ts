// The files of an input or output folder, from its manifest (docs/formats/artifact.md).

export interface ManifestFile {
  digest: string;
  bytes: number;
  executable: boolean;
  path: string;
}

// Null when the text is no manifest.
export function parse_manifest(text: string): ManifestFile[] | null {
  const lines = text.split('\n');
  if (lines.shift() !== 'fallow manifest v1' || lines.pop() !== '') return null;
  const files: ManifestFile[] = [];
  for (const line of lines) {
    const match = /^([0-9a-f]{64}) (0|[1-9]\d{0,15}) ([x-]) (.+)$/.exec(line);
    if (!match) return null;
    files.push({ digest: match[1]!, bytes: Number(match[2]), executable: match[3] === 'x', path: match[4]! });
  }
  return files;
}

export interface SavedFile {
  path: string;
  bytes: number;
  pieces: string[]; // digests, in order
}

// The files whose pieces a checkpoint's manifest names: PATH/00000000, PATH/00000001 and so on, in order as they stand.
export function joined_files(list: ManifestFile[]): SavedFile[] {
  const files = new Map<string, SavedFile>();
  for (const { path, bytes, digest } of list) {
    const whole = path.replace(/\/\d{8,}$/, '');
    const file = files.get(whole) ?? { path: whole, bytes: 0, pieces: [] };
    file.bytes += bytes;
    file.pieces.push(digest);
    files.set(whole, file);
  }
  return [...files.values()];
}

export function show_bytes(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let at = 0;
  let value = bytes;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  return `${at === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[at]}`;
}
