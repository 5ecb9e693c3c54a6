// What a role may do: the server's own table (src/server/roles.h), so that no page offers what would be refused.
import type { Schemas } from '../api/client';

export type Role = Schemas['Role'];
export type Right = 'read' | 'run' | 'pay' | 'manage';

const all: Right[] = ['read', 'run', 'pay', 'manage'];
export const rights: Record<Role, readonly Right[]> = {
  ROLE_UNSPECIFIED: all, // of a key from before there were roles
  VIEWER: ['read'],
  BILLING: ['read', 'pay'],
  MEMBER: ['read', 'run'],
  OWNER: all,
};

// Whether all of the roles have it: in a team, the member's there and its key's.
export const may = (roles: readonly Role[], right: Right) => roles.every((role) => rights[role].includes(right));

// Those that are given, the least first.
export const given_roles: Role[] = ['VIEWER', 'MEMBER', 'BILLING', 'OWNER'];
// As the server names them to people: a key from before there were roles is an owner's.
export const role_name = (role: Role) => (role === 'ROLE_UNSPECIFIED' ? 'OWNER' : role).toLowerCase();
