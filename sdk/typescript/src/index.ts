// The API of a Fallow market, typed by its own description: schema.d.ts is made from docs/openapi.json, so
// what the API does not have does not compile.
export { Client, type ClientOptions, type Known, type Schemas } from './client';
export { ApiError, error_of, unreachable, type Problem } from './problem';
export { follow, SseParser, type Follower, type SseEvent } from './stream';
