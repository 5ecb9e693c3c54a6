// A command with a terminal in the sandbox of a running lease: one stream of one tunnel. A state machine:
// bytes and keys in, bytes and output out; socket.ts carries them.
//
// What is unread is bounded on both sides: the sandbox sends no more than it was granted, and what was not
// used up is not granted again; what was typed waits for the sandbox's grants, at most typed_bytes_max of it.
import { FrameReader, joined, kinds, payload_bytes_max, read_exit, version, write_command, write_frame, write_size, type Exit, type Frame, type Size } from './frame';

const window_bytes = 512 * 1024;
const grant_bytes_min = window_bytes / 4; // smaller grants cost more frames than they help
export const typed_bytes_max = 4 * 1024 * 1024;
const stream = 1;

// How it ended. `refused`: it never began. `lost`: the way there is gone, whatever became of the command.
export type Ending = { kind: 'exit'; exit: Exit } | { kind: 'refused' | 'lost'; why: string };

export interface CommandHears {
  send: (bytes: Uint8Array) => void;
  // Call `used` when the bytes are shown: more may come then.
  on_output: (bytes: Uint8Array, used: () => void) => void;
  on_begun: () => void;
  // Once, and nothing else afterwards.
  on_over: (ending: Ending) => void;
}

export class Command {
  private readonly reader = new FrameReader();
  private greeted = false;
  private is_over = false;
  private exit: Exit | null = null;
  // What goes out.
  private credit = window_bytes;
  private typed: Uint8Array[] = [];
  private typed_bytes = 0;
  private size: Size | null = null; // not told yet
  // What comes in.
  private granted = window_bytes;
  private owed = 0; // used up, not yet granted anew

  constructor(
    private readonly hears: CommandHears,
    size: Size,
    command: string[] = [],
  ) {
    const request = write_command(command, { TERM: 'xterm-256color', COLORTERM: 'truecolor' }, size);
    hears.send(joined([write_frame(kinds.hello, 0, undefined, version), write_frame(kinds.open, stream, request)]));
  }

  receive(bytes: Uint8Array): void {
    if (this.is_over) return;
    const frames = this.reader.feed(bytes);
    if (!frames) return this.broken('a frame of unknown kind or size');
    for (const frame of frames) {
      if (this.is_over) return;
      this.take(frame);
    }
  }

  // False: more was typed than is taken, and none of it was.
  type(bytes: Uint8Array): boolean {
    if (this.is_over) return true;
    if (this.typed_bytes + bytes.length > typed_bytes_max) return false;
    if (bytes.length > 0) this.typed.push(bytes);
    this.typed_bytes += bytes.length;
    this.pump();
    return true;
  }

  resize(size: Size): void {
    if (this.is_over) return;
    this.size = size;
    this.pump();
  }

  // The connection is gone, for this reason.
  lose(why: string): void {
    this.end(this.exit ? { kind: 'exit', exit: this.exit } : { kind: this.greeted ? 'lost' : 'refused', why });
  }

  private take(frame: Frame): void {
    if (frame.kind === kinds.goodbye) return this.lose(text_of(frame));
    if (!this.greeted) {
      if (frame.kind !== kinds.hello) return this.broken('the first frame is not a greeting');
      if (frame.channel !== version) return this.broken(`this page speaks version ${version} of it, the lease version ${frame.channel}`);
      this.greeted = true;
      return this.hears.on_begun();
    }
    if (frame.stream !== stream) return this.broken('a frame of a stream that was never opened');
    switch (frame.kind) {
      case kinds.data:
      case kinds.note:
        if (frame.payload.length > this.granted || (frame.kind === kinds.data && frame.payload.length === 0)) return this.broken('more data than was granted, or none');
        this.granted -= frame.payload.length;
        if (frame.kind === kinds.data) return this.hears.on_output(frame.payload, () => this.used(frame.payload.length));
        this.exit = read_exit(frame.payload) ?? this.exit;
        return this.used(frame.payload.length);
      case kinds.window: {
        if (frame.payload.length !== 4) return this.broken('a window frame of another size');
        this.credit += new DataView(frame.payload.buffer, frame.payload.byteOffset).getUint32(0, true);
        if (this.credit > window_bytes) return this.broken('more was granted than a window holds');
        return this.pump();
      }
      case kinds.end:
        return this.end(this.exit ? { kind: 'exit', exit: this.exit } : { kind: 'lost', why: 'it ended without saying how' });
      case kinds.reset:
        return this.end({ kind: 'refused', why: text_of(frame) });
      default:
        return this.broken('a frame that no stream knows');
    }
  }

  private used(bytes: number): void {
    this.owed += bytes;
    if (this.is_over || this.owed < grant_bytes_min) return;
    const more = new Uint8Array(4);
    new DataView(more.buffer).setUint32(0, this.owed, true);
    this.hears.send(write_frame(kinds.window, stream, more));
    this.granted += this.owed;
    this.owed = 0;
  }

  private pump(): void {
    const size = this.size && write_size(this.size);
    if (size && size.length <= this.credit) {
      this.credit -= size.length;
      this.size = null;
      this.hears.send(write_frame(kinds.note, stream, size));
    }
    while (this.typed.length > 0 && this.credit > 0) {
      const next = this.typed[0]!;
      const piece = next.subarray(0, Math.min(next.length, payload_bytes_max, this.credit));
      if (piece.length === next.length) this.typed.shift();
      else this.typed[0] = next.subarray(piece.length);
      this.credit -= piece.length;
      this.typed_bytes -= piece.length;
      this.hears.send(write_frame(kinds.data, stream, piece));
    }
  }

  private broken(why: string): void {
    const words = `the tunnel's protocol was broken: ${why}`;
    this.hears.send(write_frame(kinds.goodbye, 0, new TextEncoder().encode(words)));
    this.end({ kind: 'lost', why: words });
  }

  private end(ending: Ending): void {
    if (this.is_over) return;
    this.is_over = true;
    this.typed = [];
    this.hears.on_over(ending);
  }
}

const text_of = (frame: Frame) => new TextDecoder().decode(frame.payload);
