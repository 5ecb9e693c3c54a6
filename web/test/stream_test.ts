import { describe, expect, it } from 'vitest';

import { SseParser } from 'fallow';
import { Output, OutputFile, type LogPiece } from '../src/lib/output';

describe('server-sent events', () => {
  const text = ': \n\nid: 7\ndata: {"a":1}\n\nevent: end\ndata: {}\n\ndata: two\ndata: lines\n\n';
  const expected = [
    { event: 'message', data: '{"a":1}', id: '7' },
    { event: 'end', data: '{}', id: '' },
    { event: 'message', data: 'two\nlines', id: '' },
  ];
  it('come whole however the bytes are cut', () => {
    for (let size = 1; size <= text.length; size += 1) {
      const parser = new SseParser();
      const events = [];
      for (let at = 0; at < text.length; at += size) events.push(...parser.feed(text.slice(at, at + size)));
      expect(events, `pieces of ${size}`).toEqual(expected);
    }
  });
});

describe('output', () => {
  const piece = (text: string | Uint8Array, offset: number, more: Partial<LogPiece> = {}): LogPiece => {
    const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text;
    return { lease: '1', task: 0, error_stream: false, offset: String(offset), data: btoa(String.fromCharCode(...bytes)), last: false, ...more };
  };
  const lines = (output: Output) => output.lines.map((line) => line.text);

  it('joins lines over pieces and passes over what came twice', () => {
    const output = new Output();
    output.add(piece('one\ntw', 0));
    expect(output.add(piece('one\ntw', 0))).toBe(false);
    output.add(piece('two\nthree', 4)); // overlaps by two bytes
    expect(lines(output)).toEqual(['one', 'two', 'three']);
    output.add(piece('!\n', 13));
    expect(lines(output)).toEqual(['one', 'two', 'three!']);
  });
  it('shows lines that have not ended, after those that have', () => {
    const output = new Output();
    expect(output.add(piece('42', 0))).toBe(true); // printf 42, and nothing more
    expect(lines(output)).toEqual(['42']);
    output.add(piece('10 %', 0, { lease: '2', task: 1 }));
    output.add(piece('no\n', 0, { error_stream: true }));
    expect(output.lines.map((line) => line.text)).toEqual(['no', '42', '10 %']);
    expect(new Set(output.lines.map((line) => line.number)).size).toBe(3);
    output.add(piece('', 2, { last: true }));
    expect(lines(output)).toEqual(['no', '42', '10 %']);
    expect(output.lines.map((line) => line.number >= 0)).toEqual([true, true, false]);
  });
  it('shows what a progress bar shows at the moment, and not its former forms', () => {
    const output = new Output();
    let offset = 0;
    for (const [text, shown] of [['10 %', '10 %'], ['\r20 %', '20 %'], ['\r30 %\r', '30 %'], ['40', '40'], [' %\r', '40 %'], ['\n', '40 %']] as const) {
      output.add(piece(text, offset));
      offset += text.length;
      expect(lines(output), JSON.stringify(text)).toEqual([shown]);
    }
    for (let i = 0; i < 2_000; i += 1, offset += 6) output.add(piece('\rabcde', offset));
    expect(lines(output), 'a long-lived bar is one line').toEqual(['40 %', 'abcde']);
  });
  it('gives out a new list for each draw', () => {
    const output = new Output();
    output.add(piece('one\n', 0));
    const before = output.lines;
    output.add(piece('two\n', 4));
    expect(output.lines).not.toBe(before);
    expect(before).toHaveLength(1);
  });
  it('keeps characters whole that pieces cut', () => {
    const bytes = new TextEncoder().encode('grün\n');
    const output = new Output();
    output.add(piece(bytes.subarray(0, 3), 0));
    output.add(piece(bytes.subarray(3), 3));
    expect(lines(output)).toEqual(['grün']);
  });
  it('keeps tasks and streams apart', () => {
    const output = new Output();
    output.add(piece('a', 0));
    output.add(piece('b\n', 0, { error_stream: true }));
    output.add(piece('c\n', 0, { lease: '2', task: 1 }));
    output.add(piece('A\n', 1));
    expect(output.lines.map((line) => [line.task, line.is_error, line.text])).toEqual([[0, true, 'b'], [1, false, 'c'], [0, false, 'aA']]);
  });
  it('shows what a terminal would do, and nothing that could pass for other text', () => {
    const output = new Output();
    output.add(piece('\u001b[31mred\u001b[0m\n10 %\r50 %\r100 %\nab\u202ecd\n\u001b]0;title\u0007x\n', 0));
    expect(lines(output)).toEqual(['red', '100 %', 'abcd', 'x']);
  });
  it('is bounded', () => {
    const output = new Output();
    for (let i = 0; i < 60; i += 1) output.add(piece('x\n'.repeat(1000), i * 2000));
    expect(output.lines).toHaveLength(50_000);
    expect(output.dropped).toBe(10_000);
    expect(output.lines[0]!.number).toBe(10_000);
    const endless = new Output();
    endless.add(piece('y'.repeat(100_000), 0));
    expect(endless.lines).toHaveLength(1);
  });
  it('is saved byte by byte, however long, with each task before its lines', async () => {
    const text = async (file: OutputFile) => new TextDecoder().decode(await new Blob(file.parts as BlobPart[]).arrayBuffer());
    const file = new OutputFile(true);
    file.add(piece('\u001b[31mred\u001b[0m\n10 %\r100', 0));
    file.add(piece('error\n', 0, { lease: '2', task: 1, error_stream: true }));
    file.add(piece('red\u001b[0m\n10 %\r100', 5)); // again
    file.add(piece(' %', 23));
    file.end();
    file.end();
    expect(await text(file)).toBe('[0] \u001b[31mred\u001b[0m\n[1] error\n[0] 10 %\r100 %');
    expect(file.bytes).toBe((await text(file)).length);
    const long = new OutputFile(false);
    for (let i = 0; i < 60; i += 1) long.add(piece('x\n'.repeat(1000), i * 2000));
    long.end();
    expect(await text(long)).toBe('x\n'.repeat(60_000));
  });
});
