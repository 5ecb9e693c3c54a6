// For whom this page acts: the signed-in account, or a team that it is a member of. It is so for one tab, and for as long as
// the page stands: who switches gets a fresh page, so that nothing read for the one is ever shown or sent for the other.
import { account_number } from '../lib/teams';

const place = 'fallow.team';

// Null: for the signed-in account itself. What is kept is sent in a header, so it is a number or nothing.
export const acting_for = account_number(globalThis.sessionStorage?.getItem(place) ?? '');

// `path`: where the fresh page begins.
export function act_for(team: string | null, path: string) {
  if (team) sessionStorage.setItem(place, team);
  else sessionStorage.removeItem(place);
  location.assign(path);
}
