// The API as the console uses it: of the server that served the page, by the browser's session.
import { Client, type Known, type Schemas } from 'fallow';

import { acting_for } from './acting';

export { ApiError, error_of, unreachable, type Known, type Problem, type Schemas } from 'fallow';

export type Offer = Known<Schemas['OfferView']>;
export type Order = Known<Schemas['OrderView']>;
export type Task = Known<Schemas['TaskView']>;
export type Lease = Known<Schemas['LeaseView']>;
export type Quote = Known<Schemas['QuoteView']>;
export type Forecast = Known<Schemas['ForecastView']>;
export type Price = Known<Schemas['PriceView']>;
export type NodeOfMarket = Known<Schemas['NodeView']>;
export type DeviceCounts = Known<Schemas['DeviceCountsView']>;
export type OwnerNote = Known<Schemas['OwnerNoteView']>;
export type Wallet = Known<Schemas['WalletView']>;
export type Earnings = Known<Schemas['EarningsView']>;
export type Payout = Known<Schemas['PayoutView']>;
export type Transfer = Known<Schemas['TransferView']>;
export type Statement = Known<Schemas['StatementView']>;
export type StatementLine = Statement['lines'][number];
export type PolicyTrial = Known<Schemas['PolicyTrialView']>;
export type AuditEntry = Known<Schemas['AuditEntryView']>;
export type Market = Known<Schemas['MarketView']>;
export type Session = Known<Schemas['SessionView']>;
export type Member = Known<Schemas['MemberView']>;

const ask: typeof fetch = (request, init) => fetch(request, init);
const market = new Client({ team: acting_for ?? undefined, fetch: ask });
export const client = market.routes;
// For the signed-in account itself, for whomever the page acts: its session and its teams.
export const own = new Client({ fetch: ask }).routes;
export const with_key = (key: string) => new Client({ key, fetch: ask }).routes;
export const call = market.call.bind(market) as Client['call'];
export const follow = market.follow.bind(market) as Client['follow'];
export const new_key = Client.new_key;
