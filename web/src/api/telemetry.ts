// What devices and workloads do: live while somebody looks, and by the minute.
import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';

import { point_of, point_of_minute, with_point, type Point } from '../lib/telemetry';
import { ApiError, call, client, type Schemas } from './client';
import { follow_in_sight } from './in_sight';

export type Measured = { lease: string } | { node: string };
const path_of = (of: Measured) => ('lease' in of ? `/v1/leases/${of.lease}/telemetry` : `/v1/nodes/${of.node}/telemetry`);

export const live_span_s = 300;
const calm_redraw_ms = 5_000;

export interface LiveTelemetry {
  state: 'connecting' | 'following' | 'lost' | 'ended';
  error: ApiError | null;
  points: Point[]; // of the last `live_span_s`
  heard_at: number; // when the last one came, or the stream was opened, by the browser's clock
}

// Follows while `wanted` and the page is in sight: a node may measure for this alone. However many samples come, they are
// shown once a frame; every few seconds to who asks for less motion. Of another lease or node: in a component of its own.
export function useLiveTelemetry(of: Measured, wanted: boolean): LiveTelemetry {
  const path = path_of(of);
  const [shown, set_shown] = useState<{ points: Point[]; heard_at: number }>({ points: [], heard_at: 0 });
  const [state, set_state] = useState<LiveTelemetry['state']>('connecting');
  const [error, set_error] = useState<ApiError | null>(null);
  const latest = useRef(shown);

  useEffect(() => {
    if (!wanted) return;
    let frame = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let drawn_at = 0;
    const draw = () => {
      if (frame || timer) return;
      const wait_ms = matchMedia('(prefers-reduced-motion: reduce)').matches ? drawn_at + calm_redraw_ms - performance.now() : 0;
      if (drawn_at > 0 && wait_ms > 0) {
        timer = setTimeout(() => {
          timer = undefined;
          draw();
        }, wait_ms);
        return;
      }
      frame = requestAnimationFrame(() => {
        frame = 0;
        drawn_at = performance.now();
        set_shown(latest.current);
      });
    };
    set_state('connecting');
    const close = follow_in_sight(path, {
      on_event: (data) => {
        latest.current = { points: with_point(latest.current.points, point_of(data as Schemas['TelemetryView']), live_span_s), heard_at: Date.now() };
        draw();
      },
      on_state: (connected) => {
        set_state(connected ? 'following' : 'lost');
        if (connected) latest.current = { ...latest.current, heard_at: Date.now() };
        draw();
      },
      on_end: (problem) => {
        set_state('ended');
        set_error(problem);
      },
    });
    return () => {
      close();
      cancelAnimationFrame(frame);
      clearTimeout(timer);
    };
  }, [path, wanted]);

  return { state, error, ...shown };
}

const minute_page_size = 1000;
const minutes_refetch_ms = 60_000;
// The last minute of a lease comes a moment after its end.
const settles_ms = 120_000;
const settling_refetch_ms = 5_000;

const ask_minutes = (of: Measured, query: { page_size: number; page_token: string; last_minutes: number }, signal: AbortSignal) =>
  'lease' in of
    ? call(client.GET('/v1/leases/{lease}/telemetry/minutes', { params: { path: of, query }, signal }))
    : call(client.GET('/v1/nodes/{node}/telemetry/minutes', { params: { path: of, query }, signal }));

// The last so many minutes before now, or before the lease's end.
export const useTelemetryMinutes = (of: Measured, last_minutes: number, ended_at?: string) =>
  useQuery({
    queryKey: ['telemetry', path_of(of), last_minutes, ended_at],
    queryFn: async ({ signal }) => {
      const points: Point[] = [];
      for (let page_token = ''; ; ) {
        const page = await ask_minutes(of, { page_size: minute_page_size, page_token, last_minutes }, signal);
        points.push(...page.minutes.map(point_of_minute));
        page_token = page.next_page_token;
        if (!page_token) return points;
      }
    },
    refetchInterval: () => (!ended_at ? minutes_refetch_ms : Date.now() - Date.parse(ended_at) < settles_ms ? settling_refetch_ms : false),
  });
