// The four forms that every view of data has beside its own: loading, empty, error, stale.
import { useEffect, useRef, useState, type ReactNode } from 'react';

import { ApiError } from '../api/client';
import { useLive } from '../api/live';
import { show_clock } from '../lib/time';

export function Loading({ what }: { what: string }) {
  return (
    <div className="state" role="status">
      <span className="bars" aria-hidden="true">
        <i /> <i /> <i />
      </span>
      <span>Loading {what}…</span>
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="state empty">
      <strong>{title}</strong>
      {children && <div>{children}</div>}
    </div>
  );
}

export function ErrorBox({ error, retry }: { error: unknown; retry?: () => void }) {
  const problem = error instanceof ApiError ? error.problem : undefined;
  return (
    <div className="state error" role="alert">
      <strong>{problem?.title && problem.code !== 'unreachable' ? problem.title : 'That did not work'}</strong>
      <div>{error instanceof Error ? sentence(error.message) : 'Something went wrong.'}</div>
      <div className="row">
        {problem?.code && <code>{problem.code}</code>}
        {problem?.field && <span>field {problem.field}</span>}
        {retry && (
          <button type="button" className="plain" onClick={retry}>
            Try again
          </button>
        )}
      </div>
    </div>
  );
}

export const sentence = (text: string) => (text ? text[0]!.toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.') : text);

// What is shown is from before: said in words, not only by a colour.
export function Stale({ at, refetching }: { at: number; refetching?: boolean }) {
  return (
    <p className="stale" role="status">
      Shown as of {show_clock(new Date(at))}. {refetching ? 'Looking again…' : 'The server does not answer at the moment; this page brings itself up to date when it does.'}
    </p>
  );
}

interface Result<T> {
  data: T | undefined;
  error: unknown;
  isError: boolean;
  dataUpdatedAt: number;
  refetch: () => unknown;
}

// One query's data in whichever form it is in.
export function View<T>({ of, what, children }: { of: Result<T>; what: string; children: (data: NonNullable<T>) => ReactNode }) {
  const live = useLive();
  if (of.data === undefined) {
    return of.isError ? <ErrorBox error={of.error} retry={() => void of.refetch()} /> : <Loading what={what} />;
  }
  const failed = of.isError && of.error instanceof ApiError && of.error.code !== 'unreachable';
  return (
    <>
      {failed ? <ErrorBox error={of.error} retry={() => void of.refetch()} /> : (of.isError || live.state === 'lost') && <Stale at={of.dataUpdatedAt} />}
      {children(of.data!)}
    </>
  );
}

// The time, for what is told as "12 s ago"; moves every `step_ms`.
export function useNow(step_ms = 1000): number {
  const [now, set_now] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => set_now(Date.now()), step_ms);
    return () => clearInterval(timer);
  }, [step_ms]);
  return now;
}

// `value`, at most once in `wait_ms`; the last one always comes.
export function useThrottled<T>(value: T, wait_ms: number): T {
  const [shown, set_shown] = useState(value);
  const shown_at = useRef(0);
  useEffect(() => {
    if (Object.is(value, shown)) return;
    const timer = setTimeout(() => {
      shown_at.current = Date.now();
      set_shown(() => value);
    }, Math.max(0, shown_at.current + wait_ms - Date.now()));
    return () => clearTimeout(timer);
  }, [value, shown, wait_ms]);
  return shown;
}

// The value once it has stood still for `wait_ms`.
export function useDebounced<T>(value: T, wait_ms: number): T {
  const [settled, set_settled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => set_settled(value), wait_ms);
    return () => clearTimeout(timer);
  }, [value, wait_ms]);
  return settled;
}
