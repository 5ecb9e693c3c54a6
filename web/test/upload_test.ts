import { afterEach, describe, expect, it, vi } from 'vitest';

import { upload_folder, type Chosen } from '../src/api/upload';
import { is_program, manifest_of, wrong_path } from '../src/lib/folder';
import { cannot_run, empty_form, form_of_file, order_of, with_chosen_input, with_stored_input } from '../src/lib/job_form';
import { read_job_file } from '../src/lib/job_file';
import { parse_manifest } from '../src/lib/manifest';

// The worked example of docs/formats/artifact.md.
const example = [
  { path: 'in/a.txt', text: 'hi\n', digest: 'de9543b2ae1b2b87434a730727db17f5ac8b8c020b84a5cb8c5fbcc1423443ba' },
  { path: 'run.sh', text: '#!/bin/sh\n', digest: '008ee53e94c1e0fff627cfe82080cdd0f267457b2feb846dfb7d654e49115eb1' },
];
const manifest = '19390b32db3620e0ff26001f4d72d5b862294556fbbadb478cf3ac35193373f1';

const chosen = (path: string, text: string) => Object.assign(new Blob([text]), { webkitRelativePath: `scene/${path}` }) as Chosen;

describe('a folder that goes along', () => {
  afterEach(() => void vi.unstubAllGlobals());
  // A store that has these digests.
  const store_with = (known: string[]) => {
    const stored = new Map<string, string>(known.map((digest) => [digest, '']));
    vi.stubGlobal('fetch', (async (path: string, init: RequestInit) => {
      const digest = path.replace('/v1/artifacts/', '');
      if (init.method === 'HEAD') return new Response(null, { status: stored.has(digest) ? 200 : 404 });
      stored.set(digest, await (init.body as Blob).text());
      return new Response(null, { status: 201 });
    }) as typeof fetch);
    return stored;
  };
  it('is stored under the digests of its format, in the order of its bytes', async () => {
    const stored = store_with([]);
    const progress: number[] = [];
    const uploaded = await upload_folder([...example].reverse().map(({ path, text }) => chosen(path, text)), (done) => progress.push(done));
    expect(uploaded).toEqual({ manifest, folder: 'scene', files: 2, bytes: 13 });
    expect([...stored.keys()].sort()).toEqual([...example.map(({ digest }) => digest), manifest].sort());
    expect(parse_manifest(stored.get(manifest)!)).toEqual([
      { digest: example[0]!.digest, bytes: 3, executable: false, path: 'in/a.txt' },
      { digest: example[1]!.digest, bytes: 10, executable: true, path: 'run.sh' },
    ]);
    expect(progress[progress.length - 1]).toBe(13);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
  });
  it('is not sent again where it stands', async () => {
    const stored = store_with([example[0]!.digest]);
    await upload_folder(example.map(({ path, text }) => chosen(path, text)), () => undefined);
    expect(stored.get(example[0]!.digest)).toBe('');
    expect(stored.get(example[1]!.digest)).toBe('#!/bin/sh\n');
  });
  it('is stored for the team that the page acts for', async () => {
    vi.stubGlobal('sessionStorage', { getItem: () => '8192' });
    vi.resetModules();
    const asked: (string | null)[] = [];
    vi.stubGlobal('fetch', (async (_: string, init: RequestInit) => {
      asked.push(new Headers(init.headers).get('Fallow-Team'));
      return new Response(null, { status: init.method === 'HEAD' ? 404 : 201 });
    }) as typeof fetch);
    const for_team = await import('../src/api/upload');
    await for_team.upload_folder([chosen('a', 'a')], () => undefined);
    expect(asked).toEqual(['8192', '8192', '8192', '8192']); // of the file and of the manifest, HEAD and PUT
  });
  it('says why it was not taken', async () => {
    vi.stubGlobal('fetch', (async (_: string, init: RequestInit) =>
      init.method === 'HEAD' ? new Response(null, { status: 404 }) : new Response(JSON.stringify({ code: 'store_full', status: 507, detail: 'the store is full' }), { status: 507 })) as typeof fetch);
    await expect(upload_folder([chosen('a', 'a')], () => undefined)).rejects.toMatchObject({ code: 'store_full' });
    await expect(upload_folder([chosen('a\nb', 'a')], () => undefined)).rejects.toThrow('rename it');
  });
  it('has names that a manifest can hold, in the order of their bytes', () => {
    expect(wrong_path('a/b.txt')).toBeNull();
    for (const path of ['a\u0085', '\ud800', `${'x'.repeat(256)}/a`, 'ü'.repeat(128)]) expect(wrong_path(path), path).not.toBeNull();
    const paths = parse_manifest(manifest_of(['\u{1f600}', '\uffee', 'b', 'a/z', 'a-z'].map((path) => ({ path, digest: '0'.repeat(64), bytes: 0, executable: false }))))!.map((file) => file.path);
    expect(paths).toEqual(['a-z', 'a/z', 'b', '\uffee', '\u{1f600}']);
    expect(is_program(new Uint8Array([0x7f, 0x45, 0x4c, 0x46]))).toBe(true);
    expect(is_program(new Uint8Array([0x23]))).toBe(false);
  });
  it('is ordered with the job, and stays while the file names it', () => {
    const form = { ...empty_form, input: './scene', input_manifest: manifest, command: 'true' };
    // As the hex digest that the API takes; the workload's own field is bytes.
    expect(order_of(form, 'q').input_manifest).toBe(manifest);
    expect(order_of(form, 'q').workload!.input_manifest).toBeUndefined();
    expect(order_of({ ...form, input: '' }, 'q').input_manifest).toBeUndefined();
    expect(form_of_file(read_job_file('run: ls\ninput: ./scene\n'), form).input_manifest).toBe(manifest);
    expect(form_of_file(read_job_file('run: ls\ninput: ./other\n'), form).input_manifest).toBe('');
    expect(form_of_file(read_job_file('run: ls\n'), form).input_manifest).toBe('');
  });
  it('keeps the job from being run from its choice until it is stored', () => {
    const stored = { ...empty_form, command: 'true', input: './former', input_manifest: manifest };
    for (const before of [{ ...empty_form, command: 'true' }, stored]) {
      const chosen = with_chosen_input(before, 'scene');
      expect(cannot_run(chosen)).toMatch(/^The input \.\/scene is a folder of your own machine, and not stored/);
      expect(order_of(chosen, 'q').input_manifest, 'nothing of the one before').toBeUndefined();
      expect(cannot_run(with_stored_input(chosen, 'scene', manifest))).toBeNull();
      expect(order_of(with_stored_input(chosen, 'scene', manifest), 'q').input_manifest).toBe(manifest);
    }
    // What the form asks for meanwhile is not what was stored.
    const other = { ...with_chosen_input(stored, 'scene'), input: './other' };
    expect(with_stored_input(other, 'scene', manifest)).toEqual(other);
  });
});
