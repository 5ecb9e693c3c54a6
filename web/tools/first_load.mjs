// How much a first visit loads: index.html, what it names, and one page with all that it imports, each as
// compressed by gzip. Fails where some page's is more than the limit. What is only loaded when somebody asks for it (terminals,
// editors, charts in folded parts, checks of receipts) does not count.
// Usage: node tools/first_load.mjs FOLDER KILOBYTES_MAX; reads vite's manifest there and removes it.
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

const [, , folder, kilobytes_max] = process.argv;
const manifest_folder = join(folder, '.vite');
const manifest = JSON.parse(readFileSync(join(manifest_folder, 'manifest.json'), 'utf8'));
rmSync(manifest_folder, { recursive: true });

const bytes_of = (name) => statSync(join(folder, existsSync(join(folder, `${name}.gz`)) ? `${name}.gz` : name)).size;

// Adds the files of a chunk and of what it imports at once.
function gather(key, files) {
  const chunk = manifest[key];
  if (files.has(chunk.file)) return files;
  files.add(chunk.file);
  for (const sheet of chunk.css ?? []) files.add(sheet);
  for (const imported of chunk.imports ?? []) gather(imported, files);
  return files;
}
const sum = (files) => [...files].reduce((bytes, name) => bytes + bytes_of(name), 0);

const entry = Object.keys(manifest).find((key) => manifest[key].isEntry);
const base = () => gather(entry, new Set(['index.html']));
const pages = (manifest[entry].dynamicImports ?? []).map((key) => ({ name: manifest[key].name, bytes: sum(gather(key, base())) }));
if (pages.length === 0) throw new Error(`${folder}: the manifest names no page`);
pages.sort((a, b) => b.bytes - a.bytes);
const of_all = readdirSync(folder, { recursive: true }).filter((name) => /\.(html|js|css|svg)$/.test(name));

const kilobytes = (bytes) => Math.ceil(bytes / 1000);
console.log(`first load: ${kilobytes(sum(base()))} KB to sign in; with the largest page (${pages[0].name}) ${kilobytes(pages[0].bytes)} KB, the smallest (${pages[pages.length - 1].name}) ${kilobytes(pages[pages.length - 1].bytes)} KB; all files ${kilobytes(sum(of_all))} KB; compressed by gzip`);
if (kilobytes(pages[0].bytes) > Number(kilobytes_max)) {
  console.error(`web: the first load of ${pages[0].name} is more than ${kilobytes_max} KB`);
  process.exit(1);
}
