import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { describe, expect, it } from 'vitest';

import type { Session } from '../src/api/client';
import { MayProvider } from '../src/api/may';
import { KeyList } from '../src/parts/keys';
import { NewKeys } from '../src/parts/new_keys';

describe('keys', () => {
  const session = { account: { id: '8192', name: 'alice', scopes: ['RENTER'] }, scopes: ['RENTER'], key: 'aaaa', role: 'OWNER', member: '0' } as Session;
  const key = (id: string, label: string, role: string) => ({ id, label, role, account: '8192', scopes: ['RENTER'] });
  const shown = (may: boolean) => {
    const queries = new QueryClient({ defaultOptions: { queries: { staleTime: Infinity } } });
    queries.setQueryData(['keys', ''], { keys: [key('aaaa', '', 'ROLE_UNSPECIFIED'), key('bbbb', 'ci', 'VIEWER'), key('cccc', 'ci', 'BILLING')] });
    return renderToStaticMarkup(createElement(QueryClientProvider, { client: queries }, createElement(MayProvider, { value: () => may }, createElement(KeyList, { session }))));
  };
  it('say what each may', () => {
    for (const role of ['owner', 'viewer', 'billing']) expect(shown(false)).toContain(`<span class="badge calm">${role}</span>`);
    expect(shown(false)).not.toContain('<button');
  });
  it('are revoked by buttons of different names', () => {
    const names = [...shown(true).matchAll(/aria-label="(Revoke: [^"]*)"/g)].map(([, name]) => name);
    expect(names).toEqual(['Revoke: without a label, aaaa', 'Revoke: ci, bbbb', 'Revoke: ci, cccc']);
  });
  it('that were just made stand side by side, each by its own name', () => {
    const made = ['dddd', 'eeee'].map((id) => ({ id, key: `fk_${id}`, name: `key ${id}`, about: `A new key, ${id}` }));
    const text = renderToStaticMarkup(createElement(NewKeys, { of: made }));
    for (const id of ['dddd', 'eeee']) {
      expect(text).toContain(`<strong>A new key, ${id}, shown only this once</strong>`);
      expect(text).toContain(`aria-label="New API key of key ${id}">fk_${id}</pre>`);
    }
  });
});
