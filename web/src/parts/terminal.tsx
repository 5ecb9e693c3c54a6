// A terminal in the browser: a shell in the sandbox of a running lease. Loaded when one is opened.
import { useQueryClient } from '@tanstack/react-query';
import { FitAddon } from '@xterm/addon-fit';
import { Terminal as Screen } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';
import { useEffect, useRef, useState } from 'react';

import { printable } from '../lib/output';
import { styled_document } from '../lib/styled_document';
import { exit_words } from '../lib/words';
import type { Ending } from '../tunnel/command';
import { open_way, type Way } from '../tunnel/socket';
import { sentence } from './states';

const scrollback_lines = 5_000;
const colours = {
  background: '#0f1513', foreground: '#dfe8e3', cursor: '#4fc99e', cursorAccent: '#0f1513', selectionBackground: '#2f5c4b',
  black: '#1b2420', red: '#ff8f88', green: '#6fd6a4', yellow: '#f0c068', blue: '#8bbcff', magenta: '#d9a5f5', cyan: '#6fd3dc', white: '#dfe8e3',
  brightBlack: '#8aa398', brightRed: '#ffb3a8', brightGreen: '#98e8c0', brightYellow: '#ffd88f', brightBlue: '#b3d4ff', brightMagenta: '#ecc8ff', brightCyan: '#a0e9ef', brightWhite: '#ffffff',
};

// For screens without these keys. Arrows have two forms, of which the command chooses one.
const keys: [name: string, bytes: string | ((screen: Screen) => string)][] = [
  ['Esc', '\x1b'],
  ['Tab', '\t'],
  ['Ctrl-C', '\x03'],
  ['Ctrl-D', '\x04'],
  ['↑', (screen) => (screen.modes.applicationCursorKeysMode ? '\x1bOA' : '\x1b[A')],
  ['↓', (screen) => (screen.modes.applicationCursorKeysMode ? '\x1bOB' : '\x1b[B')],
];

type State = 'opening' | 'open' | Ending | 'closed';

// `again`: the person wants another one in its place; absent when there can be none.
export default function Terminal({ lease, again }: { lease: string; again?: () => void }) {
  const place = useRef<HTMLDivElement>(null);
  const end_button = useRef<HTMLButtonElement>(null);
  const screen_now = useRef<Screen | null>(null);
  const way_now = useRef<Way | null>(null);
  const [state, set_state] = useState<State>('opening');
  const [size, set_size] = useState('');
  const [trouble, set_trouble] = useState('');
  const [aloud, set_aloud] = useState(false);
  const queries = useQueryClient();

  useEffect(() => {
    const element = place.current!;
    const styled = styled_document();
    const screen = new Screen({
      documentOverride: styled.document,
      theme: colours,
      minimumContrastRatio: 4.5,
      fontFamily: "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace",
      fontSize: 13,
      scrollback: scrollback_lines,
      disableStdin: true,
      // A link's words may name another place than it leads to: none is followed.
      linkHandler: { activate: () => {} },
    });
    screen_now.current = screen;
    const fit = new FitAddon();
    screen.loadAddon(fit);
    screen.open(element);
    fit.fit();

    const over = (ending: Ending | 'closed') => {
      screen.options.disableStdin = true;
      screen.options.cursorInactiveStyle = 'none';
      screen.blur();
      set_state(ending);
      // Signed out, or the lease is over: what is shown of them is looked at again.
      if (ending !== 'closed' && ending.kind !== 'exit') for (const key of ['session', 'leases']) void queries.invalidateQueries({ queryKey: [key] });
    };
    const way = open_way(lease, () => ({ rows: screen.rows, columns: screen.cols }), {
      on_begun: () => {
        screen.options.disableStdin = false;
        screen.focus();
        set_state('open');
      },
      on_output: (bytes, used) => screen.write(bytes, used),
      on_over: over,
    });
    way_now.current = {
      ...way,
      type: (bytes) => {
        const taken = way.type(bytes);
        set_trouble(taken ? '' : 'That was more than can wait to be typed, so none of it was sent. `fallow cp` copies files.');
        return taken;
      },
      close: () => {
        way.close();
        over('closed');
      },
    };
    const encoder = new TextEncoder();
    screen.onData((text) => way_now.current?.type(encoder.encode(text)));
    screen.onBinary((text) => way_now.current?.type(Uint8Array.from(text, (c) => c.charCodeAt(0))));
    screen.onResize(({ rows, cols }) => {
      way.resize({ rows, columns: cols });
      set_size(`${cols} × ${rows}`);
    });
    set_size(`${screen.cols} × ${screen.rows}`);
    // Tab belongs to the command, so there is another way out for those who have no pointer. Commands lose
    // nothing: to them Ctrl-M is Enter.
    screen.attachCustomKeyEventHandler((event) => {
      if (!event.ctrlKey || event.altKey || event.metaKey || event.shiftKey || event.key.toLowerCase() !== 'm') return true;
      event.preventDefault();
      if (event.type === 'keydown') end_button.current?.focus();
      return false;
    });
    let drawn: number | undefined;
    const observer = new ResizeObserver(() => {
      drawn ??= requestAnimationFrame(() => {
        drawn = undefined;
        fit.fit();
      });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      if (drawn !== undefined) cancelAnimationFrame(drawn);
      way.close();
      screen.dispose();
      styled.drop();
      screen_now.current = null;
      way_now.current = null;
    };
  }, [lease, queries]);

  const is_live = state === 'opening' || state === 'open';
  return (
    <div className="stack">
      <div className="row terminal-head">
        <p className="hint" role="status">
          {state === 'opening' && `Opening a way into lease ${lease}…`}
          {state === 'open' && `Connected, ${size}. Tab and Ctrl-C are the command's; Ctrl-M leaves the terminal.`}
          {state === 'closed' && 'You have ended it.'}
          {typeof state === 'object' && (state.kind === 'exit' ? exit_words(state.exit.code) : 'The way into the lease is closed.')}
        </p>
        <label className="check">
          <input
            type="checkbox"
            checked={aloud}
            onChange={(event) => {
              set_aloud(event.target.checked);
              if (screen_now.current) screen_now.current.options.screenReaderMode = event.target.checked;
            }}
          />{' '}
          for a screen reader
        </label>
        {is_live && (
          <button ref={end_button} type="button" className="plain" onClick={() => way_now.current?.close()}>
            End it
          </button>
        )}
      </div>
      <div className="terminal-place" hidden={typeof state === 'object' && state.kind === 'refused'} ref={place} role="group" aria-label={`Terminal of lease ${lease}`} />
      {state === 'open' && (
        <div className="row terminal-keys" role="group" aria-label="Keys">
          {keys.map(([name, bytes]) => (
            <button
              key={name}
              type="button"
              className="plain"
              onClick={() => {
                const screen = screen_now.current;
                if (!screen) return;
                screen.input(typeof bytes === 'string' ? bytes : bytes(screen));
                screen.focus();
              }}
            >
              {name}
            </button>
          ))}
        </div>
      )}
      {trouble && (
        <p className="hint wrong" role="alert">
          {trouble}
        </p>
      )}
      {!is_live && <Over ending={state} again={again} />}
    </div>
  );
}

// Said in words: nothing is opened anew by itself, because what ran in the old one is gone.
function Over({ ending, again }: { ending: Ending | 'closed'; again?: () => void }) {
  const is_good = ending === 'closed' || (ending.kind === 'exit' && ending.exit.code === 0);
  return (
    <div className={`box ${is_good ? '' : 'warn'}`} role="alert">
      {ending === 'closed' ? (
        <p>What ran in this terminal heard that it is gone. What was started with nohup goes on until the lease ends.</p>
      ) : ending.kind === 'exit' ? (
        <p>{[exit_words(ending.exit.code), ending.exit.reason && sentence(printable(ending.exit.reason)), again && 'The workload goes on.'].filter(Boolean).join(' ')}</p>
      ) : (
        <>
          <strong>{ending.kind === 'refused' ? 'It could not be opened' : 'The way into the lease was lost'}</strong>
          <p>{sentence(printable(ending.why))}</p>
          {ending.kind === 'lost' && <p>What ran in this terminal has ended with it, or ends when the node learns of it; what was started with nohup goes on.</p>}
        </>
      )}
      {again && (
        <div className="row">
          <button type="button" onClick={again}>
            Open a new terminal
          </button>
        </div>
      )}
    </div>
  );
}
