/** What the server writes into the metadata of a persona's reply. */

/** The key of our metadata in messages, cells and awareness states. */
export const KEY = 'jupyter_ai_personas';

export const SYSTEM = 'jupyter-ai-personas::system';

const PREFIX = 'jupyter-ai-personas::';

const STATES = [
  'streaming',
  'waiting',
  'done',
  'stopped',
  'failed',
  'interrupted',
  'rejected'
] as const;

/** `waiting`: for the approval of a tool call. */
export type TurnState = (typeof STATES)[number];

/** The turn that a persona's message belongs to. */
export interface IReply {
  readonly turn: string;
  /** The id of the message that is answered. */
  readonly replyTo: string;
  readonly state: TurnState;
}

interface IWithMetadata {
  readonly metadata?: Record<string, unknown> | undefined;
}

/** Our metadata of a message; without any, an empty object. */
export function metadataOf(message: IWithMetadata): Record<string, unknown> {
  const found = message.metadata?.[KEY];
  return typeof found === 'object' && found !== null ? (found as Record<string, unknown>) : {};
}

/** The turn that a message is the reply of, or `null`: people's messages, commands' answers. */
export function replyOf(message: IWithMetadata): IReply | null {
  const { turn, reply_to: replyTo, state } = metadataOf(message);
  if (typeof turn !== 'string' || typeof replyTo !== 'string' || !isState(state)) {
    return null;
  }
  return { turn, replyTo, state };
}

/** Whether a turn in this state goes on. */
export function isRunning(state: TurnState): boolean {
  return state === 'streaming' || state === 'waiting';
}

/** Whether the server takes a turn that ended in this state once more. */
export function mayRetry(state: TurnState): boolean {
  return ['failed', 'stopped', 'interrupted', 'rejected'].includes(state);
}

/** Whether a user is a persona; bots of others are none. */
export function isPersona(username: string): boolean {
  return username.startsWith(PREFIX) && username !== SYSTEM;
}

function isState(value: unknown): value is TurnState {
  return (STATES as readonly unknown[]).includes(value);
}
