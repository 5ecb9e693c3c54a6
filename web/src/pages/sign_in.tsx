import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';

import { act_for, acting_for } from '../api/acting';
import { call, own } from '../api/client';
import { Mark } from '../app';
import { Field } from '../parts/basics';
import { ErrorBox } from '../parts/states';

// Shown wherever nobody is signed in; afterwards the page that was asked for stands.
export function SignIn() {
  const queries = useQueryClient();
  const [key, set_key] = useState('');
  const [busy, set_busy] = useState(false);
  const [error, set_error] = useState<unknown>(null);
  const sign_in = async () => {
    set_busy(true);
    set_error(null);
    try {
      const session = await call(own.POST('/v1/session', { body: { api_key: key.trim() } }));
      // Whoever signs in begins as himself.
      if (acting_for) act_for(null, location.pathname + location.search);
      else queries.setQueryData(['session'], session);
    } catch (failure) {
      set_error(failure);
    } finally {
      set_busy(false);
    }
  };
  const malformed = key.trim() !== '' && !/^fk_[0-9a-f]{64}$/.test(key.trim());
  return (
    <main className="alone">
      <title>Sign in – Fallow</title>
      <form
        className="card sign-in"
        onSubmit={(event) => {
          event.preventDefault();
          void sign_in();
        }}
      >
        <div className="row">
          <Mark />
          <h1>Sign in</h1>
        </div>
        <p className="lead">Your API key becomes a session of this browser. The key itself is not kept here.</p>
        <Field label="API key" hint="It begins with fk_. On a market of your own it lies in the data folder: renter.key, provider.key, operator.key." error={malformed ? 'An API key is fk_ and 64 hex digits.' : null}>
          {(props) => <input {...props} type="password" autoComplete="current-password" spellCheck={false} autoFocus required value={key} onChange={(event) => set_key(event.target.value)} />}
        </Field>
        {error !== null && <ErrorBox error={error} />}
        <button type="submit" disabled={busy || key.trim() === '' || malformed}>
          {busy ? 'One moment…' : 'Sign in'}
        </button>
      </form>
    </main>
  );
}
