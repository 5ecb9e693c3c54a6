// Whatever is not a success, as an error that carries the market's problem (docs/api.md).
import type { components } from './schema';

export type Problem = components['schemas']['Problem'];

// `code` is stable; "unreachable" and "garbled" are the client's own.
export class ApiError extends Error {
  readonly code: string;
  readonly status: number;
  constructor(readonly problem: Problem) {
    super(problem.detail ?? 'something went wrong');
    this.code = problem.code ?? '';
    this.status = problem.status ?? 0;
  }
}

export const unreachable = () => new ApiError({ code: 'unreachable', status: 0, detail: 'The server cannot be reached. It may be restarting; try again in a moment.' });

// `problem`: the answer's body, if it was JSON.
export function error_of(problem: unknown, status: number): ApiError {
  const known = problem && typeof problem === 'object' && 'code' in problem;
  return new ApiError(known ? (problem as Problem) : { code: 'garbled', status, detail: `The server answered ${status} in words that this client does not know.` });
}
