// Memberships, from either side.
import type { Member } from '../api/client';

// Who was only invited is a number to the team.
export const account_words = (name: string, id: string) => name || `account ${id}`;

export const invitations_of = (teams: Member[]) => teams.filter((team) => team.invited);
export const joined_of = (teams: Member[]) => teams.filter((team) => !team.invited);

// Null: no account's number.
export const account_number = (text: string) => (/^[1-9]\d{0,19}$/.test(text.trim()) ? text.trim() : null);

// The command line's beginning, of one who acts for a team.
export const fallow_for = (team: string | null) => (team ? `fallow --team ${team}` : 'fallow');
