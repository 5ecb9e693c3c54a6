// A job's output as lines: pieces come in bytes, of several tasks and both streams, possibly twice.

export interface LogPiece {
  lease: string;
  task: number;
  error_stream: boolean;
  offset: string;
  data: string; // base64
  last: boolean;
}

export interface OutputLine {
  number: number; // from 0 on, over all that ever came
  task: number;
  lease: string;
  is_error: boolean;
  text: string;
}

const lines_max = 50_000;
const line_chars_max = 4_000;

// What a terminal would do instead of show, and what could pass for other text.
const control = /\u001b\[[0-9;?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

interface Stream {
  next_offset: bigint;
  decoder: TextDecoder;
  rest: string;
}

// A stranger's words in one line, as text and nothing else.
export const printable = (text: string) => text.replace(/\s+/g, ' ').replace(control, '');

export class Output {
  lines: OutputLine[] = [];
  dropped = 0; // lines that were too many to keep
  private readonly streams = new Map<string, Stream>();

  // True when something was added.
  add(piece: LogPiece): boolean {
    const name = `${piece.lease} ${piece.error_stream}`;
    let stream = this.streams.get(name);
    if (!stream) this.streams.set(name, (stream = { next_offset: 0n, decoder: new TextDecoder(), rest: '' }));
    let bytes = Uint8Array.from(atob(piece.data), (c) => c.charCodeAt(0));
    const offset = BigInt(piece.offset);
    if (offset + BigInt(bytes.length) <= stream.next_offset && !piece.last) return false; // seen
    if (offset < stream.next_offset) bytes = bytes.subarray(Number(stream.next_offset - offset));
    stream.next_offset = offset + BigInt(bytes.length) > stream.next_offset ? offset + BigInt(bytes.length) : stream.next_offset;
    const text = stream.rest + stream.decoder.decode(bytes, { stream: !piece.last });
    const parts = text.split(/\r?\n/);
    stream.rest = parts.pop() ?? '';
    if ((piece.last && stream.rest !== '') || stream.rest.length > line_chars_max) {
      parts.push(stream.rest);
      stream.rest = '';
    }
    for (const part of parts) this.push(piece, part);
    if (this.lines.length > lines_max) {
      const surplus = this.lines.length - lines_max;
      this.dropped += surplus;
      this.lines = this.lines.slice(surplus);
    }
    return parts.length > 0;
  }

  private push(piece: LogPiece, text: string) {
    // A progress bar rewrites its line: the last form counts.
    const shown = text.slice(text.lastIndexOf('\r') + 1).replace(control, '');
    this.lines.push({ number: this.dropped + this.lines.length, task: piece.task, lease: piece.lease, is_error: piece.error_stream, text: shown });
  }
}
