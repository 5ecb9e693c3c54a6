// Output as it is written: followed, searched, saved.
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef, useState } from 'react';

import { ApiError, follow } from '../api/client';
import { follow_in_sight } from '../api/in_sight';
import { Output, OutputFile, type LogPiece } from '../lib/output';
import { plural } from '../lib/words';
import { save_file } from './basics';
import { Empty, ErrorBox, Loading } from './states';

type State = 'connecting' | 'following' | 'lost' | 'ended';
const state_words: Record<State, string> = { connecting: 'connecting…', following: 'following', lost: 'connection lost, resuming…', ended: 'complete' };

// `path`: "/v1/orders/7/logs". `show_task`: lines say which task wrote them.
export function LogView({ path, name, show_task }: { path: string; name: string; show_task: boolean }) {
  const output = useRef(new Output());
  const [version, set_version] = useState(0);
  const [state, set_state] = useState<State>('connecting');
  const [error, set_error] = useState<ApiError | null>(null);
  const [search, set_search] = useState('');
  const [following, set_following] = useState(true);
  const place = useRef<HTMLDivElement>(null);

  useEffect(() => {
    output.current = new Output();
    let frame = 0;
    // Many pieces a frame: drawn once.
    const draw = () => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        set_version((before) => before + 1);
      });
    };
    const close = follow_in_sight(`${path}?follow=true`, {
      on_event: (data) => {
        if (output.current.add(data as LogPiece)) draw();
      },
      on_state: (connected) => set_state(connected ? 'following' : 'lost'),
      on_end: (problem) => {
        set_state('ended');
        set_error(problem);
        draw();
      },
    });
    return () => {
      close();
      cancelAnimationFrame(frame);
    };
  }, [path]);

  const lines = useMemo(() => {
    const all = output.current.lines;
    const wanted = search.trim().toLowerCase();
    return wanted ? all.filter((line) => line.text.toLowerCase().includes(wanted)) : all;
    // The output changes in place: its version says when.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [version, search]);
  const virtual = useVirtualizer({ count: lines.length, getScrollElement: () => place.current, estimateSize: () => 20, overscan: 30 });
  useEffect(() => {
    if (following && lines.length > 0) virtual.scrollToIndex(lines.length - 1, { align: 'end' });
  }, [following, lines, virtual]);

  if (error) return <ErrorBox error={error} />;
  return (
    <div className="log">
      <div className="row spread">
        <input type="search" aria-label="Search the output" placeholder="Search" value={search} onChange={(event) => set_search(event.target.value)} />
        <span className="muted" role="status">
          {state_words[state]}
          {search && `, ${plural(lines.length, 'line')} found`}
        </span>
        <span className="row">
          <label className="check">
            <input type="checkbox" checked={following} onChange={(event) => set_following(event.target.checked)} /> follow
          </label>
          <Download path={path} name={name} names_tasks={show_task} disabled={lines.length === 0 && !search} />
        </span>
      </div>
      {output.current.dropped > 0 && <p className="hint">The first {plural(output.current.dropped, 'line')} are not shown: what is downloaded has all of them.</p>}
      {lines.length === 0 ? (
        state === 'ended' || search ? (
          <Empty title={search ? 'No line has that' : 'It wrote nothing'} />
        ) : (
          <Loading what="output" />
        )
      ) : (
        <div
          ref={place}
          className="log-lines"
          style={{ height: virtual.getTotalSize() + 16 }}
          role="log"
          aria-label="Output"
          aria-live="off"
          tabIndex={0}
          onTouchMove={() => set_following(false)}
          onWheel={(event) => event.deltaY < 0 && set_following(false)}
          onKeyDown={(event) => ['ArrowUp', 'PageUp', 'Home'].includes(event.key) && set_following(false)}
        >
          <div className="log-inside" style={{ height: virtual.getTotalSize() }}>
            {virtual.getVirtualItems().map((item) => {
              const line = lines[item.index];
              if (!line) return null;
              return (
                <div key={line.number} ref={virtual.measureElement} data-index={item.index} className={`log-line${line.is_error ? ' error-stream' : ''}`} style={{ transform: `translateY(${item.start}px)` }}>
                  {show_task && <span className="log-task">{line.task}</span>}
                  <span>{line.text || ' '}</span>
                </div>
              );
            })}
          </div>
        </div>
      )}
    </div>
  );
}

// All of it as it was written, read anew: what is shown is bounded, and without what only a terminal understands.
function Download({ path, name, names_tasks, disabled }: { path: string; name: string; names_tasks: boolean; disabled: boolean }) {
  const [read_bytes, set_read_bytes] = useState<number | null>(null); // null: nothing is being read
  const [error, set_error] = useState<ApiError | null>(null);
  const close = useRef<() => void>(undefined);
  useEffect(() => () => close.current?.(), []);
  const read = () => {
    const file = new OutputFile(names_tasks);
    set_error(null);
    set_read_bytes(0);
    close.current = follow(path, {
      on_event: (data) => {
        file.add(data as LogPiece);
        set_read_bytes(file.bytes);
      },
      on_end: (problem) => {
        set_read_bytes(null);
        set_error(problem);
        file.end();
        if (!problem) save_file(`${name}.log`, file.parts as BlobPart[], 'text/plain');
      },
    });
  };
  return (
    <>
      <button type="button" className="plain" onClick={read} disabled={disabled || read_bytes !== null}>
        {read_bytes === null ? 'Download' : `Reading, ${(read_bytes / 1e6).toFixed(1)} MB…`}
      </button>
      {error && <span className="hint wrong" role="alert">{error.message}</span>}
    </>
  );
}
