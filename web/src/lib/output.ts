// A job's output as lines, and as a file: pieces come in bytes, of several tasks and both streams, possibly twice.
import { joined } from '../tunnel/frame';

export interface LogPiece {
  lease: string;
  task: number;
  error_stream: boolean;
  offset: string;
  data: string; // base64
  last: boolean;
}

export interface OutputLine {
  number: number; // from 0 on, over all that ever ended; below 0: of a line that has not ended yet
  task: number;
  lease: string;
  is_error: boolean;
  text: string;
}

const line_feed = 10;
const lines_max = 50_000;
const line_chars_max = 4_000;

// What a terminal would do instead of show, and what could pass for other text.
const control = /\u001b\[[0-9;?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

// A stranger's words in one line, as text and nothing else.
export const printable = (text: string) => text.replace(/\s+/g, ' ').replace(control, '');

// A progress bar rewrites its line: the last form counts. A return at the end has not rewritten it yet.
const last_form = (text: string) => text.slice(text.lastIndexOf('\r', text.length - 2) + 1);

const stream_name = (piece: LogPiece) => `${piece.lease} ${piece.error_stream}`;

// How far one stream has come.
class Reach {
  private next = 0n;

  // The bytes of the piece that have not come before.
  fresh(piece: LogPiece): Uint8Array {
    const bytes = Uint8Array.from(atob(piece.data), (c) => c.charCodeAt(0));
    const offset = BigInt(piece.offset);
    const end = offset + BigInt(bytes.length);
    const seen = this.next - offset;
    if (end > this.next) this.next = end;
    if (seen <= 0n) return bytes;
    return seen >= BigInt(bytes.length) ? bytes.subarray(bytes.length) : bytes.subarray(Number(seen));
  }
}

interface Stream {
  reach: Reach;
  decoder: TextDecoder;
  rest: string;
  open: OutputLine; // the line that has not ended
}

export class Output {
  dropped = 0; // lines that were too many to keep
  private ended: OutputLine[] = [];
  private readonly streams = new Map<string, Stream>();

  // The lines that have ended in their order, then those that have not.
  get lines(): OutputLine[] {
    const open = [...this.streams.values()].filter((stream) => stream.rest !== '');
    return [...this.ended, ...open.map((stream) => ({ ...stream.open, text: shown(stream.rest) }))];
  }

  // True when something was added.
  add(piece: LogPiece): boolean {
    let stream = this.streams.get(stream_name(piece));
    if (!stream) {
      const open = { number: -1 - this.streams.size, task: piece.task, lease: piece.lease, is_error: piece.error_stream, text: '' };
      this.streams.set(stream_name(piece), (stream = { reach: new Reach(), decoder: new TextDecoder(), rest: '', open }));
    }
    const bytes = stream.reach.fresh(piece);
    if (bytes.length === 0 && !piece.last) return false;
    const parts = (stream.rest + stream.decoder.decode(bytes, { stream: !piece.last })).split(/\r?\n/);
    stream.rest = last_form(parts.pop() ?? '');
    if ((piece.last && stream.rest !== '') || stream.rest.length > line_chars_max) {
      parts.push(stream.rest);
      stream.rest = '';
    }
    for (const part of parts) this.ended.push({ ...stream.open, number: this.dropped + this.ended.length, text: shown(part) });
    if (this.ended.length > lines_max) {
      const surplus = this.ended.length - lines_max;
      this.dropped += surplus;
      this.ended = this.ended.slice(surplus);
    }
    return bytes.length > 0 || parts.length > 0;
  }
}

const shown = (text: string) => last_form(text).replace(control, '');

// All that was written, byte by byte: whole lines in the order in which they came, of several tasks each with its
// task's number before it.
export class OutputFile {
  readonly parts: Uint8Array[] = [];
  bytes = 0;
  private readonly streams = new Map<string, { reach: Reach; task: number; rest: Uint8Array[] }>();

  constructor(private readonly names_tasks: boolean) {}

  add(piece: LogPiece): void {
    let stream = this.streams.get(stream_name(piece));
    if (!stream) this.streams.set(stream_name(piece), (stream = { reach: new Reach(), task: piece.task, rest: [] }));
    const bytes = stream.reach.fresh(piece);
    const lines: Uint8Array[] = [];
    let begin = 0;
    for (let end = bytes.indexOf(line_feed); end >= 0; end = bytes.indexOf(line_feed, begin)) {
      lines.push(...this.head(stream.task), ...stream.rest, bytes.subarray(begin, end + 1));
      stream.rest = [];
      begin = end + 1;
    }
    this.write(lines);
    if (begin < bytes.length) stream.rest.push(bytes.subarray(begin));
  }

  // Nothing follows: what has no line break yet is written without one.
  end(): void {
    for (const stream of this.streams.values()) {
      if (stream.rest.length > 0) this.write([...this.head(stream.task), ...stream.rest]);
      stream.rest = [];
    }
  }

  private head = (task: number) => (this.names_tasks ? [new TextEncoder().encode(`[${task}] `)] : []);

  private write(pieces: Uint8Array[]) {
    if (pieces.length === 0) return;
    const part = joined(pieces);
    this.parts.push(part);
    this.bytes += part.length;
  }
}
