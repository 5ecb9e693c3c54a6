// Protobuf's wire format, as far as receipts need it: varints and byte strings, read strictly.
// Numbers are BigInt: amounts and ids are 64 bits wide.

export interface WireField {
  number: number;
  value: bigint | Uint8Array;
}

export class WireError extends Error {}

export function read_message(bytes: Uint8Array): WireField[] {
  const fields: WireField[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at];
      if (byte === undefined) throw new WireError('it ends inside a number');
      at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new WireError('a number is longer than ten bytes');
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = Number(tag >> 3n);
    switch (Number(tag & 7n)) {
      case 0:
        fields.push({ number, value: varint() });
        break;
      case 2: {
        const length = Number(varint());
        if (at + length > bytes.length) throw new WireError('it ends inside a field');
        fields.push({ number, value: bytes.subarray(at, at + length) });
        at += length;
        break;
      }
      default:
        throw new WireError('it has a field of a kind that receipts do not use');
    }
  }
  return fields;
}

// The fields of one message by number; the last of a repeated scalar counts, as protobuf has it.
export class Message {
  private readonly fields: Map<number, WireField[]> = new Map();

  constructor(bytes: Uint8Array) {
    for (const field of read_message(bytes)) {
      const known = this.fields.get(field.number);
      if (known) known.push(field);
      else this.fields.set(field.number, [field]);
    }
  }
  // int64 and int32: two's complement.
  signed(number: number): bigint {
    return BigInt.asIntN(64, this.unsigned(number));
  }
  unsigned(number: number): bigint {
    const value = this.last(number);
    if (value === undefined) return 0n;
    if (typeof value !== 'bigint') throw new WireError(`field ${number} is not a number`);
    return value;
  }
  bytes(number: number): Uint8Array {
    const value = this.last(number);
    if (value === undefined) return new Uint8Array();
    if (typeof value === 'bigint') throw new WireError(`field ${number} is not bytes`);
    return value;
  }
  text(number: number): string {
    return new TextDecoder().decode(this.bytes(number));
  }
  messages(number: number): Message[] {
    return (this.fields.get(number) ?? []).map((field) => {
      if (typeof field.value === 'bigint') throw new WireError(`field ${number} is not a message`);
      return new Message(field.value);
    });
  }
  private last(number: number): bigint | Uint8Array | undefined {
    const all = this.fields.get(number);
    return all?.[all.length - 1]?.value;
  }
}
