// Writes FILE.br and FILE.gz beside each text of a built folder: the server sends them as they are.
// Usage: node tools/compress.mjs FOLDER
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const worthwhile_bytes = 512;

function* files_below(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* files_below(path);
    else if (/\.(js|css|svg|webmanifest)$/.test(entry.name)) yield path;
  }
}

for (const path of files_below(process.argv[2])) {
  const bytes = readFileSync(path);
  if (bytes.length < worthwhile_bytes) continue;
  writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
  writeFileSync(
    `${path}.br`,
    brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }),
  );
}
