import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { readFileSync } from 'node:fs';
import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { Member, Session } from '../src/api/client';
import { MayProvider } from '../src/api/may';
import { given_roles, may, rights, type Right, type Role } from '../src/lib/roles';
import { account_number, account_words, fallow_for, invitations_of, joined_of } from '../src/lib/teams';
import { Members } from '../src/parts/members';
import { after_switch } from '../src/routes';

const member = (more: Partial<Member>): Member => ({ account: '8192', account_name: 'Studio', member: '4096', member_name: 'bob', role: 'MEMBER', invited: false, ...more });

describe('roles', () => {
  it("may what the server's table says", () => {
    const source = readFileSync(new URL('../../src/server/roles.h', import.meta.url), 'utf8');
    const table: Record<string, string[]> = {};
    for (const [, cases, result] of source.matchAll(/((?:case v1::\w+:.*\n\s*)+)return ([^;]*);/g)) {
      const of_case = [...result!.matchAll(/v1::MAY_(\w+)/g)].map(([, right]) => right!.toLowerCase());
      for (const [, role] of cases!.matchAll(/case v1::(\w+):/g)) table[role!] = of_case;
    }
    expect(Object.keys(table).sort()).toEqual(Object.keys(rights).sort());
    for (const [role, right_names] of Object.entries(table)) expect([...rights[role as Role]].sort(), role).toEqual(right_names.sort());
  });
  it('may in a team what the member and his key both may', () => {
    const of = (...roles: Role[]) => (['read', 'run', 'pay', 'manage'] as Right[]).filter((right) => may(roles, right));
    expect(of('OWNER', 'OWNER')).toEqual(['read', 'run', 'pay', 'manage']);
    expect(of('BILLING', 'OWNER')).toEqual(['read', 'pay']);
    expect(of('MEMBER', 'BILLING')).toEqual(['read']);
    expect(given_roles).not.toContain('ROLE_UNSPECIFIED');
  });
});

describe('memberships', () => {
  it('are invitations until they are accepted', () => {
    const teams = [member({ account: '1', invited: true }), member({ account: '2' })];
    expect(invitations_of(teams).map((team) => team.account)).toEqual(['1']);
    expect(joined_of(teams).map((team) => team.account)).toEqual(['2']);
  });
  it('name an account by its number where its name is not told', () => {
    expect(account_words('', '4096')).toBe('account 4096');
    expect(account_words('bob', '4096')).toBe('bob');
  });
  it('take numbers alone for accounts', () => {
    expect([' 12288 ', '18446744073709551615'].map(account_number)).toEqual(['12288', '18446744073709551615']);
    for (const wrong of ['', '0', '-1', '1e3', '12 288', '8192\r\nX: y', 'bob', '123456789012345678901']) expect(account_number(wrong), wrong).toBeNull();
  });
  it('are named to the command line', () => {
    expect([null, '8192'].map(fallow_for)).toEqual(['fallow', 'fallow --team 8192']);
  });
});

describe('a switch', () => {
  const kept = new Map<string, string>();
  const gone_to: string[] = [];
  beforeEach(() => {
    kept.clear();
    gone_to.length = 0;
    vi.stubGlobal('sessionStorage', { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => kept.set(key, value), removeItem: (key: string) => kept.delete(key) });
    vi.stubGlobal('location', { assign: (path: string) => gone_to.push(path) });
    vi.resetModules();
  });
  afterEach(() => void vi.unstubAllGlobals());

  it('leads to the same page, to none that shows one thing of the former account', () => {
    expect(['/wallet', '/leases/17', '/teams', '/market'].map(after_switch)).toEqual(['/wallet', '/leases', '/teams', '/market']);
    expect(['/', '/new', '/jobs/7', '/operator', '/provide', '/marketing'].map(after_switch)).toEqual(['/', '/', '/', '/', '/', '/']);
  });
  it('is kept for the tab, and a fresh page begins with it', async () => {
    const before = await import('../src/api/acting');
    expect(before.acting_for).toBeNull();
    before.act_for('8192', '/wallet');
    expect([...kept.values(), ...gone_to]).toEqual(['8192', '/wallet']);
    vi.resetModules();
    const after = await import('../src/api/acting');
    expect(after.acting_for).toBe('8192');
    after.act_for(null, '/teams');
    expect(kept.size).toBe(0);
    expect(gone_to).toEqual(['/wallet', '/teams']);
  });
  it('is said with every request, but not where the account itself asks', async () => {
    kept.set('fallow.team', '8192');
    const asked: [string, string | null][] = [];
    // Node.js has no address that pages came from.
    const absolute = (path: string) => new URL(path, 'https://market.example');
    vi.stubGlobal('Request', class extends Request {
      constructor(input: RequestInfo | URL, init?: RequestInit) {
        super(typeof input === 'string' ? absolute(input) : input, init);
      }
    });
    vi.stubGlobal('fetch', (async (input: Request | string, init?: RequestInit) => {
      const [url, headers] = typeof input === 'string' ? [absolute(input), new Headers(init?.headers)] : [new URL(input.url), input.headers];
      asked.push([url.pathname, headers.get('Fallow-Team')]);
      return typeof input === 'string' ? new Response('event: end\ndata: {}\n\n', { headers: { 'Content-Type': 'text/event-stream' } }) : new Response('{}', { headers: { 'Content-Type': 'application/json' } });
    }) as typeof fetch);
    const { call, client, follow, own } = await import('../src/api/client');
    await call(client.GET('/v1/wallet'));
    await new Promise((done) => follow('/v1/events', { on_event: () => undefined, on_end: done }));
    await call(own.GET('/v1/teams'));
    await call(own.DELETE('/v1/session'));
    expect(asked).toEqual([['/v1/wallet', '8192'], ['/v1/events', '8192'], ['/v1/teams', null], ['/v1/session', null]]);
  });
});

describe('the members of an account', () => {
  const session = { account: { id: '8192', name: 'Studio', scopes: ['RENTER'] }, scopes: ['RENTER'], key: '', role: 'OWNER', member: '4096' } as Session;
  const shown = (of: Member[] | null, role: Role) => {
    const queries = new QueryClient({ defaultOptions: { queries: { staleTime: Infinity } } });
    if (of) queries.setQueryData(['members'], { members: of });
    const page = createElement(MayProvider, { value: (right: Right) => may([role], right) }, createElement(Members, { session }));
    return renderToStaticMarkup(createElement(QueryClientProvider, { client: queries }, page));
  };
  const both = [member({}), member({ member: '12288', member_name: '', invited: true, role: 'VIEWER' })];

  it('are changed by owners, who do not remove themselves', () => {
    const markup = shown([...both, member({ member: '16384', member_name: 'carol' })], 'OWNER');
    for (const words of ['>Invite<', 'Change role: bob', 'Take back: account 12288', 'Remove: carol', '>you<', '>invited<']) expect(markup).toContain(words);
    expect(markup).not.toContain('Remove: bob');
  });
  it('are seen, and no action with them, by every other role', () => {
    for (const role of ['VIEWER', 'MEMBER', 'BILLING'] as const) {
      const markup = shown(both, role);
      expect(markup).toContain('bob');
      expect(markup, role).not.toContain('<button');
    }
  });
  it('are said to be loading, or none', () => {
    expect(shown(null, 'OWNER')).toContain('Loading members');
    expect(shown([], 'OWNER')).toContain('Invite somebody, and it is a team.');
    expect(shown([], 'VIEWER')).not.toContain('<button');
  });
});
