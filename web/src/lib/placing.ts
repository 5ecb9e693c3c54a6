// An order on its way. Once it was sent and no answer came, nobody here knows whether the market took it:
// until that is known the same words go out under the same key, and no others.
import { ApiError } from 'fallow';

export class Placing<Body, Answer> {
  private doubted: { body: Body; key: string } | null = null;

  constructor(
    private readonly send: (body: Body, key: string) => Promise<Answer>,
    private readonly new_key: () => string,
  ) {}

  // What was sent and not answered; null: nothing.
  get unanswered(): Body | null {
    return this.doubted?.body ?? null;
  }

  // Sends the order, or again the unanswered one, whatever is asked for meanwhile.
  async place(body: Body): Promise<Answer> {
    const was_doubted = this.doubted !== null;
    const sent = this.doubted ?? { body, key: this.new_key() };
    this.doubted = sent; // from here on, until it is known better
    try {
      const answer = await this.send(sent.body, sent.key);
      this.doubted = null;
      return answer;
    } catch (error) {
      if (was_doubted ? refuses_order(error) : refuses(error)) this.doubted = null;
      throw error;
    }
  }
}

// The market answered, and did nothing.
const refuses = (error: unknown): error is ApiError => error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 408;

// And did nothing the time before either: who was not let in, or was told to come again, learnt nothing of that.
const refuses_order = (error: unknown) => refuses(error) && error.status !== 401 && error.status !== 403 && error.code !== 'rate_limited';
