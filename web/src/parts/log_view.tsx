// Output as it is written: followed, searched, saved.
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef, useState } from 'react';

import { ApiError } from '../api/client';
import { follow } from '../api/client';
import { Output, type LogPiece } from '../lib/output';
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
    const close = follow(`${path}?follow=true`, {
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
  const save = () => save_file(`${name}.log`, output.current.lines.map((line) => `${show_task ? `[${line.task}] ` : ''}${line.text}\n`), 'text/plain');
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
          <button type="button" className="plain" onClick={save} disabled={output.current.lines.length === 0}>
            Download
          </button>
        </span>
      </div>
      {output.current.dropped > 0 && <p className="hint">The first {plural(output.current.dropped, 'line')} are not shown: `fallow logs` has all of them.</p>}
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
