// Frames of a tunnel: bytes in, frames out, and back. docs/formats/tunnel.md is the format.

export const kinds = { hello: 1, open: 2, data: 3, note: 4, window: 5, end: 6, reset: 7, goodbye: 8 } as const;
export type Kind = (typeof kinds)[keyof typeof kinds];

export const version = 1;
export const payload_bytes_max = 32 * 1024;
const header_bytes = 8;

export interface Frame {
  kind: Kind;
  channel: number;
  stream: number;
  payload: Uint8Array;
}

const nothing = new Uint8Array(0);

// The payload has at most payload_bytes_max bytes.
export function write_frame(kind: Kind, stream: number, payload: Uint8Array = nothing, channel = 0): Uint8Array {
  const bytes = new Uint8Array(header_bytes + payload.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = kind;
  bytes[1] = channel;
  view.setUint16(2, payload.length, true);
  view.setUint32(4, stream, true);
  bytes.set(payload, header_bytes);
  return bytes;
}

export function joined(pieces: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

// Bytes as they come in, frames out; holds at most the beginning of one frame beside what it is fed.
export class FrameReader {
  private held: Uint8Array = nothing;

  // Null: a frame of unknown kind or size; there will never be another.
  feed(bytes: Uint8Array): Frame[] | null {
    const all = this.held.length > 0 ? joined([this.held, bytes]) : bytes;
    const view = new DataView(all.buffer, all.byteOffset, all.length);
    const frames: Frame[] = [];
    let at = 0;
    while (all.length - at >= header_bytes) {
      const kind = all[at]!;
      const size = view.getUint16(at + 2, true);
      if (kind < kinds.hello || kind > kinds.goodbye || size > payload_bytes_max) return null;
      if (all.length - at < header_bytes + size) break;
      frames.push({ kind: kind as Kind, channel: all[at + 1]!, stream: view.getUint32(at + 4, true), payload: all.slice(at + header_bytes, at + header_bytes + size) });
      at += header_bytes + size;
    }
    this.held = all.slice(at);
    return frames;
  }
}

// Requests and notes: a letter and fields.
export class FieldWriter {
  private readonly pieces: Uint8Array[];
  constructor(letter: string) {
    this.pieces = [new TextEncoder().encode(letter)];
  }
  u32(value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    this.pieces.push(bytes);
    return this;
  }
  text(value: string): this {
    const bytes = new TextEncoder().encode(value);
    this.u32(bytes.length);
    this.pieces.push(bytes);
    return this;
  }
  bytes = () => joined(this.pieces);
}

export interface Size {
  rows: number;
  columns: number;
}

// Runs the command (empty: the login shell) with a terminal of its own.
export function write_command(command: string[], environment: Record<string, string>, size: Size): Uint8Array {
  const fields = new FieldWriter('x').u32(command.length);
  for (const word of command) fields.text(word);
  const variables = Object.entries(environment);
  fields.u32(variables.length);
  for (const [name, value] of variables) fields.text(name).text(value);
  return fields.u32(1).u32(size.rows).u32(size.columns).bytes();
}

export const write_size = (size: Size) => new FieldWriter('s').u32(size.rows).u32(size.columns).bytes();

export interface Exit {
  code: number; // the command's, or 128 and the signal
  reason: string; // why it could not be done; empty: nothing to say
}

// Null: it is another note, or none.
export function read_exit(note: Uint8Array): Exit | null {
  const view = new DataView(note.buffer, note.byteOffset, note.length);
  if (note.length < 9 || note[0] !== 'x'.charCodeAt(0) || view.getUint32(5, true) !== note.length - 9) return null;
  return { code: view.getUint32(1, true), reason: new TextDecoder().decode(note.subarray(9)) };
}
