// Small parts that every page uses.
import * as Ariakit from '@ariakit/react';
import { useEffect, useId, useState, type ReactNode } from 'react';

import { micros_of, show_money } from '../lib/money';
import { ErrorBox } from './states';

export function Money({ of, currency, signed }: { of: string | bigint | undefined; currency?: string; signed?: boolean }) {
  const micros = typeof of === 'bigint' ? of : micros_of(of);
  return (
    <span className={`money${signed && micros < 0n ? ' minus' : ''}`}>
      {signed && micros > 0n ? '+' : ''}
      {show_money(micros)}
      {currency && <small> {currency}</small>}
    </span>
  );
}

export function Page({ title, lead, actions, children }: { title: string; lead?: ReactNode; actions?: ReactNode; children: ReactNode }) {
  return (
    <>
      <title>{`${title} – Fallow`}</title>
      <header className="page-head">
        <div>
          <h1>{title}</h1>
          {lead && <p className="lead">{lead}</p>}
        </div>
        {actions && <div className="row">{actions}</div>}
      </header>
      {children}
    </>
  );
}

export function Card({ title, children, actions, className = '' }: { title?: ReactNode; children: ReactNode; actions?: ReactNode; className?: string }) {
  return (
    <section className={`card ${className}`}>
      {(title || actions) && (
        <div className="card-head">
          {title && <h2>{title}</h2>}
          {actions && <div className="row">{actions}</div>}
        </div>
      )}
      {children}
    </section>
  );
}

// Facts as a list of names and values.
export function Facts({ of }: { of: (readonly [string, ReactNode] | false | null | undefined)[] }) {
  return (
    <dl className="facts">
      {of.map(
        (fact) =>
          fact && (
            <div key={fact[0]}>
              <dt>{fact[0]}</dt>
              <dd>{fact[1]}</dd>
            </div>
          ),
      )}
    </dl>
  );
}

export type Tone = 'good' | 'busy' | 'bad' | 'warn' | 'calm';
export function Badge({ tone, children }: { tone: Tone; children: ReactNode }) {
  return <span className={`badge ${tone}`}>{children}</span>;
}

export function Field({ label, hint, error, children, wide }: { label: string; hint?: ReactNode; error?: string | null; wide?: boolean; children: (props: { id: string; 'aria-describedby'?: string; 'aria-invalid'?: boolean }) => ReactNode }) {
  const id = useId();
  const described = hint || error ? `${id}-about` : undefined;
  return (
    <div className={`field${wide ? ' wide' : ''}`}>
      <label htmlFor={id}>{label}</label>
      {children({ id, 'aria-describedby': described, 'aria-invalid': error ? true : undefined })}
      {described && (
        <p id={described} className={error ? 'hint wrong' : 'hint'}>
          {error || hint}
        </p>
      )}
    </div>
  );
}

// A button that asks first. `act` may fail: the dialog then says why and stays. `about`: its name to those who
// do not see where it stands.
export function AskButton({ label, about, title, children, act, danger, action, disabled }: { label: string; about?: string; title: string; children: ReactNode; act: () => Promise<unknown>; danger?: boolean; action: string; disabled?: boolean }) {
  const dialog = Ariakit.useDialogStore();
  const [busy, set_busy] = useState(false);
  const [error, set_error] = useState<unknown>(null);
  const run = async () => {
    set_busy(true);
    set_error(null);
    try {
      await act();
      dialog.hide();
    } catch (failure) {
      set_error(failure);
    } finally {
      set_busy(false);
    }
  };
  return (
    <>
      <button type="button" className={danger ? 'danger' : 'plain'} aria-label={about} onClick={dialog.show}>
        {label}
      </button>
      <Ariakit.Dialog store={dialog} className="dialog" backdrop={<div className="backdrop" />} preventBodyScroll={false}>
        <Ariakit.DialogHeading>{title}</Ariakit.DialogHeading>
        <div className="stack">{children}</div>
        {error !== null && <ErrorBox error={error} />}
        <div className="row end">
          <Ariakit.DialogDismiss className="plain">Cancel</Ariakit.DialogDismiss>
          <button type="button" className={danger ? 'danger' : ''} disabled={busy || disabled} onClick={() => void run()}>
            {busy ? 'One moment…' : action}
          </button>
        </div>
      </Ariakit.Dialog>
    </>
  );
}

export function Copy({ text, what }: { text: string; what: string }) {
  const [copied, set_copied] = useState(false);
  return (
    <div className="copy">
      <pre tabIndex={0} aria-label={what}>{text}</pre>
      <button
        type="button"
        className="plain"
        onClick={() =>
          void navigator.clipboard?.writeText(text).then(() => {
            set_copied(true);
            setTimeout(() => set_copied(false), 2000);
          })
        }
      >
        {copied ? 'Copied' : 'Copy'}
      </button>
    </div>
  );
}

// Tabs that stand in the address, so that a link leads to one.
export function Tabs({ label, tabs, selected, select }: { label: string; tabs: { id: string; name: string; body: () => ReactNode }[]; selected: string; select: (id: string) => void }) {
  const store = Ariakit.useTabStore({ selectedId: selected, setSelectedId: (id) => id && select(id), selectOnMove: false });
  const current = tabs.find((tab) => tab.id === selected) ?? tabs[0]!;
  // On a narrow screen the row of tabs scrolls: the chosen one is in sight.
  useEffect(() => {
    void document.getElementById(current.id)?.scrollIntoView({ inline: 'nearest', block: 'nearest' });
  }, [current.id]);
  return (
    <>
      <Ariakit.TabList store={store} aria-label={label} className="tabs">
        {tabs.map((tab) => (
          <Ariakit.Tab key={tab.id} id={tab.id} className="tab">
            {tab.name}
          </Ariakit.Tab>
        ))}
      </Ariakit.TabList>
      <Ariakit.TabPanel store={store} tabId={current.id} key={current.id} className="tab-panel" focusable={false}>
        {current.body()}
      </Ariakit.TabPanel>
    </>
  );
}

export function save_file(name: string, parts: BlobPart[], type = 'application/octet-stream') {
  const url = URL.createObjectURL(new Blob(parts, { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
