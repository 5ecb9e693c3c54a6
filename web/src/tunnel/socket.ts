// Command over the browser's own WebSocket, let in by the session. It carries no header of the page's: for whom it is
// opened stands in its address.
import { acting_for } from '../api/acting';
import { Command, type CommandHears, type Ending } from './command';
import type { Size } from './frame';

export interface Way {
  type: (bytes: Uint8Array) => boolean; // as Command.type; what is typed before it begins is not taken
  resize: (size: Size) => void;
  close: () => void; // the command hears that its terminal is gone; on_over is not called
}

// What the server would answer as a problem, it says in closing: 4000 and the problem's status.
const problem_codes = 4_000;

// `size`: asked for when the way is open.
export function open_way(lease: string, size: () => Size, hears: Omit<CommandHears, 'send'>): Way {
  const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}/v1/leases/${encodeURIComponent(lease)}/tunnel${acting_for ? `?team=${acting_for}` : ''}`);
  socket.binaryType = 'arraybuffer';
  let command: Command | null = null;
  let closed = false;
  const over = (ending: Ending) => {
    closed = true;
    hears.on_over(ending);
    socket.close(1000);
  };
  socket.onopen = () => {
    command = new Command({ ...hears, on_over: over, send: (bytes) => socket.readyState === WebSocket.OPEN && socket.send(bytes) }, size());
  };
  socket.onmessage = ({ data }) => !closed && command?.receive(new Uint8Array(data as ArrayBuffer));
  socket.onclose = ({ code, reason }) => {
    if (closed) return;
    if (code >= problem_codes) return over({ kind: 'refused', why: reason });
    if (command) return command.lose(reason || 'the connection to the market was cut');
    over({ kind: 'refused', why: 'the market cannot be reached, or does not take this session any more' });
  };
  return {
    type: (bytes) => command?.type(bytes) ?? true,
    resize: (to) => command?.resize(to),
    close: () => {
      closed = true;
      socket.close(1000);
    },
  };
}
