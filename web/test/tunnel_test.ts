// docs/formats/tunnel.md, and a command's whole way through it; the other side here says what a lease's would.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import { Command, typed_bytes_max, type Ending } from '../src/tunnel/command';
import { FrameReader, joined, kinds, payload_bytes_max, read_exit, write_command, write_frame, write_size, type Frame } from '../src/tunnel/frame';

const window_bytes = 512 * 1024;
const ascii = (text: string) => new TextEncoder().encode(text);
const u32 = (value: number) => Uint8Array.of(value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24);
const bytes_of = (hex: string) => Uint8Array.from(hex.match(/[0-9a-f]{2}/g) ?? [], (two) => Number.parseInt(two, 16));

describe('frames', () => {
  const example = readFileSync(new URL('../../docs/formats/tunnel.md', import.meta.url), 'utf8');
  it('are those of the worked example', () => {
    const line = (start: string) => bytes_of(example.split('\n').find((one) => one.trim().startsWith(start))!.trim().slice(0, start.length));
    expect(write_frame(kinds.hello, 0, undefined, 1)).toEqual(line('01 01 00 00 00 00 00 00'));
    expect(write_frame(kinds.open, 1, new Uint8Array(29)).slice(0, 8)).toEqual(line('02 00 1d 00 01 00 00 00'));
    expect(write_frame(kinds.end, 1)).toEqual(line('06 00 00 00 01 00 00 00'));
    const exit = line('04 00 09 00 01 00 00 00  78  00 00 00 00  00 00 00 00');
    const [note] = new FrameReader().feed(exit)!;
    expect(note).toMatchObject({ kind: kinds.note, stream: 1 });
    expect(read_exit(note!.payload)).toEqual({ code: 0, reason: '' });
    // With a terminal, where the example has none: the flag before the size is 1.
    const asked = bytes_of('78  01 00 00 00  04 00 00 00 74 72 75 65 00 00 00 00  01 00 00 00  18 00 00 00  50 00 00 00');
    expect(write_command(['true'], {}, { rows: 24, columns: 80 })).toEqual(asked);
  });
  it('are read however they are cut', () => {
    const bytes = joined([write_frame(kinds.data, 1, ascii('hello'), 1), write_frame(kinds.end, 1), write_frame(kinds.goodbye, 0, ascii('bye'))]);
    for (let size = 1; size <= bytes.length; ++size) {
      const reader = new FrameReader();
      const frames: Frame[] = [];
      for (let at = 0; at < bytes.length; at += size) frames.push(...reader.feed(bytes.slice(at, at + size))!);
      expect(frames.map((frame) => [frame.kind, frame.channel, frame.stream, new TextDecoder().decode(frame.payload)])).toEqual([[3, 1, 1, 'hello'], [6, 0, 1, ''], [8, 0, 0, 'bye']]);
    }
  });
  it('of unknown kind or size are none', () => {
    for (const wrong of ['00 00 00 00 00 00 00 00', '09 00 00 00 00 00 00 00', '03 00 01 80 01 00 00 00']) expect(new FrameReader().feed(bytes_of(wrong))).toBeNull();
  });
  it('hold notes that are exactly one', () => {
    const note = joined([ascii('x'), u32(137), u32(3), ascii('why')]);
    expect(read_exit(note)).toEqual({ code: 137, reason: 'why' });
    for (const wrong of [note.slice(0, 11), joined([note, ascii('!')]), ascii('x'), new Uint8Array(0), write_size({ rows: 1, columns: 2 })]) expect(read_exit(wrong)).toBeNull();
  });
});

class Lease {
  sent: Frame[] = [];
  output: { text: string; used: () => void }[] = [];
  begun = 0;
  endings: Ending[] = [];
  private readonly reader = new FrameReader();
  readonly command = new Command(
    {
      send: (bytes) => this.sent.push(...this.reader.feed(bytes)!),
      on_output: (bytes, used) => this.output.push({ text: new TextDecoder().decode(bytes), used }),
      on_begun: () => (this.begun += 1),
      on_over: (ending) => this.endings.push(ending),
    },
    { rows: 24, columns: 80 },
  );
  say = (...frames: Uint8Array[]) => this.command.receive(joined(frames));
  greet = () => this.say(write_frame(kinds.hello, 0, undefined, 1));
  data = (bytes: Uint8Array) => this.say(write_frame(kinds.data, 1, bytes));
  exit = (code: number, reason = '') => write_frame(kinds.note, 1, joined([ascii('x'), u32(code), u32(reason.length), ascii(reason)]));
  sent_of = (kind: number) => this.sent.filter((frame) => frame.kind === kind);
}

describe('a command', () => {
  it('greets, asks, shows what comes and ends with its code', () => {
    const lease = new Lease();
    expect(lease.sent.map((frame) => [frame.kind, frame.channel, frame.stream])).toEqual([[kinds.hello, 1, 0], [kinds.open, 0, 1]]);
    expect(new TextDecoder().decode(lease.sent[1]!.payload)).toContain('xterm-256color');
    lease.greet();
    expect(lease.begun).toBe(1);
    lease.command.type(ascii('exit 7\r'));
    expect(new TextDecoder().decode(lease.sent_of(kinds.data)[0]!.payload)).toBe('exit 7\r');
    lease.command.resize({ rows: 40, columns: 120 });
    expect(lease.sent_of(kinds.note)[0]!.payload).toEqual(write_size({ rows: 40, columns: 120 }));
    lease.data(ascii('logout'));
    expect(lease.output.map((one) => one.text)).toEqual(['logout']);
    lease.say(lease.exit(7), write_frame(kinds.end, 1));
    expect(lease.endings).toEqual([{ kind: 'exit', exit: { code: 7, reason: '' } }]);
    // Nothing after that.
    const count = lease.sent.length;
    lease.say(write_frame(kinds.goodbye, 0, ascii('late')));
    lease.command.type(ascii('x'));
    lease.command.resize({ rows: 1, columns: 1 });
    lease.command.lose('late');
    expect(lease.endings).toHaveLength(1);
    expect(lease.sent).toHaveLength(count);
  });
  it('is sent no more than was shown', () => {
    const lease = new Lease();
    lease.greet();
    const piece = new Uint8Array(payload_bytes_max);
    for (let i = 0; i < window_bytes / piece.length; ++i) lease.data(piece);
    expect(lease.sent_of(kinds.window)).toEqual([]);
    for (const { used } of lease.output) used();
    const granted = lease.sent_of(kinds.window).map((frame) => new DataView(frame.payload.buffer, frame.payload.byteOffset).getUint32(0, true));
    expect(granted.reduce((sum, one) => sum + one, 0)).toBe(window_bytes);
    for (let i = 0; i < window_bytes / piece.length; ++i) lease.data(piece);
    expect(lease.endings).toEqual([]);
    lease.data(Uint8Array.of(1)); // one byte more than was granted
    expect(lease.endings[0]).toMatchObject({ kind: 'lost' });
    expect(lease.sent_of(kinds.goodbye)).toHaveLength(1);
  });
  it('sends no more than it was granted, and keeps what was typed in order', () => {
    const lease = new Lease();
    lease.greet();
    const text = Uint8Array.from({ length: window_bytes + 100_000 }, (_, at) => at % 251);
    expect(lease.command.type(text)).toBe(true);
    const sent = () => joined(lease.sent_of(kinds.data).map((frame) => frame.payload));
    expect(sent().length).toBe(window_bytes);
    // The latest size goes first when there is room again; earlier ones are worth nothing.
    lease.command.resize({ rows: 1, columns: 1 });
    lease.command.resize({ rows: 50, columns: 100 });
    expect(lease.sent_of(kinds.note)).toEqual([]);
    lease.say(write_frame(kinds.window, 1, u32(60_000)));
    expect(lease.sent_of(kinds.note).map((frame) => frame.payload)).toEqual([write_size({ rows: 50, columns: 100 })]);
    expect(sent().length).toBe(window_bytes + 60_000 - 9);
    lease.say(write_frame(kinds.window, 1, u32(60_000)));
    expect(Buffer.compare(sent(), text)).toBe(0);
    expect(Math.max(...lease.sent_of(kinds.data).map((frame) => frame.payload.length))).toBeLessThanOrEqual(payload_bytes_max);
  });
  it('takes what is typed up to a bound, whole or not at all', () => {
    const lease = new Lease();
    lease.greet();
    expect(lease.command.type(new Uint8Array(typed_bytes_max))).toBe(true);
    expect(lease.command.type(new Uint8Array(window_bytes))).toBe(true); // as much was sent
    expect(lease.command.type(Uint8Array.of(1))).toBe(false);
  });
  it('says why it could not begin, or was lost', () => {
    const refused = new Lease();
    refused.greet();
    refused.say(write_frame(kinds.reset, 1, ascii('there is no shell')));
    expect(refused.endings).toEqual([{ kind: 'refused', why: 'there is no shell' }]);

    const never = new Lease();
    never.command.lose('the node went away');
    expect(never.endings).toEqual([{ kind: 'refused', why: 'the node went away' }]);

    const lost = new Lease();
    lost.greet();
    lost.say(write_frame(kinds.goodbye, 0, ascii('the workload has ended')));
    expect(lost.endings).toEqual([{ kind: 'lost', why: 'the workload has ended' }]);

    const cut = new Lease();
    cut.greet();
    cut.say(cut.exit(3)); // its end did not come through any more
    cut.command.lose('cut');
    expect(cut.endings).toEqual([{ kind: 'exit', exit: { code: 3, reason: '' } }]);
  });
  it('ends where the other side breaks the protocol', () => {
    const wrong: [string, (lease: Lease) => void][] = [
      ['no greeting', (lease) => lease.data(ascii('x'))],
      ['another version', (lease) => lease.say(write_frame(kinds.hello, 0, undefined, 2))],
      ['a second greeting', (lease) => (lease.greet(), lease.greet())],
      ['a stream that is none', (lease) => (lease.greet(), lease.say(write_frame(kinds.data, 2, ascii('x'))))],
      ['data of no bytes', (lease) => (lease.greet(), lease.data(new Uint8Array(0)))],
      ['an opening', (lease) => (lease.greet(), lease.say(write_frame(kinds.open, 1)))],
      ['too large a grant', (lease) => (lease.greet(), lease.say(write_frame(kinds.window, 1, u32(1))))],
      ['half a grant', (lease) => (lease.greet(), lease.say(write_frame(kinds.window, 1, ascii('xy'))))],
      ['no frame', (lease) => (lease.greet(), lease.say(Uint8Array.of(99, 0, 0, 0, 0, 0, 0, 0)))],
    ];
    for (const [what, do_wrong] of wrong) {
      const lease = new Lease();
      do_wrong(lease);
      expect(lease.endings, what).toHaveLength(1);
      expect(lease.endings[0], what).toMatchObject({ kind: 'lost', why: expect.stringContaining('protocol') });
      expect(lease.sent_of(kinds.goodbye), what).toHaveLength(1);
    }
    const silent = new Lease();
    silent.greet();
    silent.say(write_frame(kinds.end, 1));
    expect(silent.endings).toEqual([{ kind: 'lost', why: 'it ended without saying how' }]);
  });
});
