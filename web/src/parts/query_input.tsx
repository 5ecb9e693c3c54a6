// The query as you type: what may come next below it, and the server's error under its column.
import { useId, useMemo, useRef, useState, type KeyboardEvent } from 'react';

import { complete, take } from '../lib/query';

export interface QueryError {
  column?: number;
  message: string;
}

export function QueryInput({ value, set, error, known, label }: { value: string; set: (text: string) => void; error?: QueryError | null; known: Record<string, string[]>; label: string }) {
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  const [asked, set_asked] = useState<{ text: string; caret: number } | null>(null); // null: closed
  const completion = useMemo(() => asked && complete(asked.text, asked.caret, known), [asked, known]);
  const [chosen, set_chosen] = useState(-1);
  const open = completion !== null && completion.options.length > 0;

  const look = () => {
    const element = input.current;
    if (!element) return;
    set_asked({ text: element.value, caret: element.selectionStart ?? element.value.length });
    set_chosen(-1);
  };
  const accept = (at: number) => {
    if (!completion) return;
    const option = completion.options[at];
    const element = input.current;
    if (!option || !element) return;
    const taken = take(value, completion, option.text);
    set(taken.text);
    set_chosen(-1);
    requestAnimationFrame(() => {
      element.focus();
      element.setSelectionRange(taken.caret, taken.caret);
      set_asked(taken);
    });
  };
  const on_key = (event: KeyboardEvent) => {
    if (event.key === 'Escape' && open) {
      set_asked(null);
      event.preventDefault();
    } else if (event.key === 'ArrowDown') {
      if (!open) look();
      else set_chosen((at) => (at + 1) % completion.options.length);
      event.preventDefault();
    } else if (event.key === 'ArrowUp' && open) {
      set_chosen((at) => (at <= 0 ? completion.options.length : at) - 1);
      event.preventDefault();
    } else if ((event.key === 'Enter' || event.key === 'Tab') && open && chosen >= 0) {
      accept(chosen);
      event.preventDefault();
    } else if (event.key === 'Enter') {
      set_asked(null);
    }
  };

  return (
    <div className="query">
      <label htmlFor={id}>{label}</label>
      <input
        ref={input}
        id={id}
        value={value}
        role="combobox"
        aria-expanded={open}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={open && chosen >= 0 ? `${id}-${chosen}` : undefined}
        aria-invalid={error ? true : undefined}
        aria-describedby={error ? `${id}-error` : undefined}
        placeholder="price<0.40 region in [eu,us]"
        spellCheck={false}
        autoComplete="off"
        autoCapitalize="off"
        onChange={(event) => {
          set(event.target.value);
          requestAnimationFrame(look);
        }}
        onFocus={look}
        onClick={look}
        onBlur={() => setTimeout(() => set_asked(null), 120)}
        onKeyDown={on_key}
      />
      <ul id={`${id}-list`} role="listbox" aria-label="Completions" className="completions" hidden={!open}>
        {completion?.options.map((option, at) => (
          <li key={option.text} id={`${id}-${at}`} role="option" aria-selected={at === chosen} onMouseDown={(event) => event.preventDefault()} onClick={() => accept(at)}>
            <code>{option.text}</code> <span>{option.about}</span>
          </li>
        ))}
      </ul>
      {error && (
        <div id={`${id}-error`} className="query-error" role="alert">
          {error.column ? (
            <pre aria-hidden="true">
              {value}
              {'\n'}
              {' '.repeat(Math.max(0, Math.min(error.column - 1, value.length)))}^
            </pre>
          ) : null}
          {error.column ? `Column ${error.column}: ` : ''}
          {error.message}
        </div>
      )}
    </div>
  );
}
