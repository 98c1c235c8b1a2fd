/** The turns of a chat, from what the server announces and from the replies. */
import type { IChatModel, IMessage } from '@jupyter/chat';

import { KEY, isRunning, replyOf } from './messages';
import type { ITurnChange } from './tokens';

/** A turn that runs or waits. */
export interface IOpenTurn {
  readonly turn: string;
  /** The id of the persona that answers. */
  readonly persona: string;
  /** The id of the message that is answered. */
  readonly message: string;
  /** The username of who asked. */
  readonly person: string;
  /** The name that people see of who asked, if the server knows it. */
  readonly name?: string;
}

/** The open turns in the awareness states of a chat: the server announces them in its own. */
export function openTurns(states: Iterable<Record<string, unknown>>): IOpenTurn[] {
  const turns: IOpenTurn[] = [];
  for (const state of states) {
    const ours = state[KEY] as { turns?: unknown } | undefined;
    if (Array.isArray(ours?.turns)) {
      turns.push(...ours.turns.filter(isOpenTurn));
    }
  }
  return turns;
}

function isOpenTurn(value: unknown): value is IOpenTurn {
  const turn = value as Record<keyof IOpenTurn, unknown> | null;
  return [turn?.turn, turn?.persona, turn?.message, turn?.person].every(
    field => typeof field === 'string'
  );
}

/** Follows the turns of one chat until that is closed. */
export class ChatTurns {
  /** @param onChange - Called with each change, after `open` has it. */
  constructor(
    private readonly chat: IChatModel,
    private readonly onChange: (change: ITurnChange) => void
  ) {
    const awareness = chat.sharedModel?.awareness;
    awareness?.on('change', this.readAwareness);
    chat.messagesUpdated.connect(this.readMessages);
    chat.disposed.connect(() => {
      awareness?.off('change', this.readAwareness);
    });
    this.readAwareness();
    this.readMessages();
  }

  /** The turns that run or wait, the oldest first. */
  get open(): readonly IOpenTurn[] {
    return this.announced;
  }

  private readonly readAwareness = (): void => {
    const states = this.chat.sharedModel?.awareness.getStates().values() ?? [];
    const before = this.announced;
    this.announced = openTurns(states);
    const tell = (turn: IOpenTurn, state: 'open' | 'ended'): void => {
      this.tell(turn.turn, turn.persona, turn.message, state);
    };
    without(before, this.announced).forEach(turn => {
      tell(turn, 'ended');
    });
    without(this.announced, before).forEach(turn => {
      this.heard.add(turn.turn);
      tell(turn, 'open');
    });
  };

  private readonly readMessages = (): void => {
    for (const message of this.chat.messages) {
      const reply = replyOf(message);
      if (reply === null || this.followed.get(message.id) === message) {
        continue;
      }
      if (!this.states.has(message.id) && !isRunning(reply.state) && !this.heard.has(reply.turn)) {
        // It was over before this chat was opened.
        this.states.set(message.id, reply.state);
      }
      this.followed.set(message.id, message);
      message.changed.connect(this.readReply);
      this.readReply(message);
    }
  };

  private readonly readReply = (message: IMessage): void => {
    const reply = replyOf(message);
    if (reply !== null && this.states.get(message.id) !== reply.state) {
      this.states.set(message.id, reply.state);
      this.tell(reply.turn, message.sender.username, reply.replyTo, reply.state);
    }
  };

  private tell(
    turn: string,
    personaId: string,
    replyTo: string,
    state: ITurnChange['state']
  ): void {
    this.onChange({ chatPath: this.chat.name, turn, personaId, replyTo, state });
  }

  private announced: readonly IOpenTurn[] = [];
  /** The ids of all turns that were ever announced here. */
  private readonly heard = new Set<string>();
  private readonly followed = new Map<string, IMessage>();
  private readonly states = new Map<string, string>();
}

function without(some: readonly IOpenTurn[], others: readonly IOpenTurn[]): IOpenTurn[] {
  const ids = new Set(others.map(turn => turn.turn));
  return some.filter(turn => !ids.has(turn.turn));
}
