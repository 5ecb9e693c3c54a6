// The console's pages. The server serves index.html under these names and no others
// (src/server/console_files.cc); test/routes_test.ts holds both lists to each other.
import type { Schemas } from './api/client';
import type { Right } from './lib/roles';

export const pages = ['sign-in', 'market', 'new', 'jobs', 'leases', 'provide', 'wallet', 'operator', 'account', 'teams'] as const;

export interface Section {
  path: string;
  name: string;
  scopes: Schemas['Scope'][]; // one of these
  right?: Right;
}

// What the navigation shows, to whom.
export const sections: Section[] = [
  { path: '/market', name: 'Market', scopes: ['RENTER', 'PROVIDER', 'OPERATOR'] },
  { path: '/new', name: 'New', scopes: ['RENTER'], right: 'run' },
  { path: '/jobs', name: 'Jobs', scopes: ['RENTER', 'OPERATOR'] },
  { path: '/leases', name: 'Leases', scopes: ['RENTER', 'PROVIDER', 'OPERATOR'] },
  { path: '/provide', name: 'Provide', scopes: ['PROVIDER', 'OPERATOR'] },
  { path: '/wallet', name: 'Wallet', scopes: ['RENTER', 'PROVIDER', 'OPERATOR'] },
  { path: '/operator', name: 'Operator', scopes: ['OPERATOR'] },
];

// Where a switch to another account leads: to the same page where every account has it, never to one thing of the former account's.
const of_everybody = [...sections.filter(({ scopes }) => scopes.length === 3).map(({ path }) => path), '/account', '/teams'];
export const after_switch = (path: string) => of_everybody.find((one) => path === one || path.startsWith(`${one}/`)) ?? '/';
