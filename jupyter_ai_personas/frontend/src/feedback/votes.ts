/** The votes on a reply, as the server keeps them in its metadata. */
import { metadataOf, type IReply } from '../messages';

export type Vote = 1 | 0 | -1;

export interface IVotes {
  readonly up: number;
  readonly down: number;
  /** The person's own. */
  readonly mine: Vote;
}

/** Whether people can vote on a reply: it has ended with an answer, or part of one. */
export function mayVote(reply: IReply | null): boolean {
  return reply?.state === 'done' || reply?.state === 'stopped';
}

export function votesOf(
  message: { readonly metadata?: Record<string, unknown> },
  username: string | undefined
): IVotes {
  const feedback = metadataOf(message).feedback as Record<string, unknown> | null | undefined;
  const votes = feedback?.votes as Record<string, unknown> | null | undefined;
  const mine = username === undefined ? 0 : votes?.[username];
  return {
    up: count(feedback?.up),
    down: count(feedback?.down),
    mine: mine === 1 || mine === -1 ? mine : 0
  };
}

function count(value: unknown): number {
  return typeof value === 'number' && value > 0 ? Math.floor(value) : 0;
}
