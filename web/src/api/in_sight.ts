// Streams of pages that somebody looks at: a browser opens six connections to a server, of all tabs together,
// so a hidden tab holds none.
import type { Follower } from 'fallow';

import { follow } from './client';

// Follows while the page is in sight, and goes on behind the last event that came. Where no event can say
// from where, on_gap is called once it stands again. Gives out the function that closes it.
export function follow_in_sight(path: string, follower: Follower): () => void {
  let close: (() => void) | undefined;
  let last_id = '';
  let gap = false; // since it was last closed
  let ended = false;
  const open = () => {
    if (close || ended || document.hidden) return;
    const hears: Follower = {
      on_event: (data, event) => {
        if (event.id) last_id = event.id;
        follower.on_event(data, event);
      },
      on_state: (connected) => {
        if (connected && gap) follower.on_gap?.();
        if (connected) gap = false;
        follower.on_state?.(connected);
      },
      on_end: (problem) => {
        ended = true;
        follower.on_end?.(problem);
      },
      on_gap: () => {
        last_id = '';
        follower.on_gap?.();
      },
    };
    close = follow(path, hears, last_id);
  };
  const shut = () => {
    if (!close) return;
    close();
    close = undefined;
    gap = last_id === '';
  };
  const on_visibility = () => (document.hidden ? shut() : open());
  document.addEventListener('visibilitychange', on_visibility);
  open();
  return () => {
    document.removeEventListener('visibilitychange', on_visibility);
    shut();
  };
}
