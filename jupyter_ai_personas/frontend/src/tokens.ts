/** What other extensions use: the token `IPersonas` and its types. */
import type { IChatModel, IMessageContent } from '@jupyter/chat';
import { Token } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import type { FunctionComponent } from 'react';

import type { IPersona } from './api';
import type { IReply, TurnState } from './messages';
import type { IOpenTurn } from './turns';

export type { IPersona } from './api';
export type { IReply, TurnState } from './messages';
export type { IOpenTurn } from './turns';

/** The personas of the open chats, and what extensions add to them. */
export interface IPersonas {
  /**
   * The personas of a chat as they were last read; an empty list until the server has answered.
   * Broken ones are listed, too: they have a `problem` and no `id`.
   *
   * @param chatPath - The path of the chat's file, as its model has it in `name`.
   */
  of(chatPath: string): readonly IPersona[];

  /** As `of`, once the server has answered. Asks it again if the answer is some seconds old. */
  load(chatPath: string): Promise<readonly IPersona[]>;

  /** The personas of a chat have changed; the argument is the chat's path. */
  readonly changed: ISignal<IPersonas, string>;

  /** The turns of a chat that run or wait, the oldest first. */
  turns(chatPath: string): readonly IOpenTurn[];

  /** A turn of an open chat was accepted or has ended, or its reply has another state. */
  readonly turnChanged: ISignal<IPersonas, ITurnChange>;

  /** Stop a turn; raises `ApiError` if the server refuses. */
  stop(turn: string): Promise<void>;

  /** Run a turn again that did not succeed; raises `ApiError` if the server refuses. */
  retry(turn: string): Promise<void>;

  /** Commands of the chat's input that run in the browser. */
  readonly commands: IRegistry<IClientCommand>;

  /** What is shown below the messages of personas. */
  readonly footers: IRegistry<IFooter>;

  /** What shows messages of personas in another way than as Markdown. */
  readonly renderers: IRegistry<IRenderer>;
}

/** What extensions add to. */
export interface IRegistry<T> {
  /**
   * Add an entry; dispose what is returned to take it back.
   *
   * @throws Error if there is one of the same name.
   */
  add(entry: T): IDisposable;

  /** All entries, in order. */
  readonly entries: readonly T[];

  /** An entry came or went. */
  readonly changed: ISignal<IRegistry<T>, void>;
}

export const IPersonas = new Token<IPersonas>(
  'jupyter-ai-personas:IPersonas',
  "The personas of JupyterLab's chats, and what extensions add to them."
);

/** What became of a turn. */
export interface ITurnChange {
  readonly chatPath: string;
  readonly turn: string;
  readonly personaId: string;
  /** The id of the message that is answered. */
  readonly replyTo: string;
  /** `open`: it was accepted; `ended`: nothing of it runs; else the state of a reply. */
  readonly state: 'open' | 'ended' | TurnState;
}

/** A slash command that runs in the browser; nothing is sent. */
export interface IClientCommand {
  /** With the slash. The server's commands come first. */
  readonly name: string;
  /** One line that the completion shows. */
  readonly help: string;
  readonly rank?: number;
  /**
   * Run the command.
   *
   * @param text - What follows the name, without spaces at its ends.
   * @param chat - The chat in which it was typed.
   */
  run(text: string, chat: IChatModel): void | Promise<void>;
}

/** The message of a persona that a component shows. */
export interface IMessageProps {
  readonly chat: IChatModel;
  readonly message: IMessageContent;
  /** The turn that the message is the reply of; `null` for what a persona writes beside it. */
  readonly reply: IReply | null;
}

/** Something below the messages of personas. The component may return `null`. */
export interface IFooter {
  readonly id: string;
  /** Lower is further left. Built in: state 10, retry 20, usage 30, feedback 40. */
  readonly rank?: number;
  readonly component: FunctionComponent<IMessageProps>;
}

/** Shows messages in the place of their Markdown, which other clients show. */
export interface IRenderer {
  readonly id: string;
  /** Lower is asked first. */
  readonly rank?: number;
  /**
   * Whether it shows a message. A reply is asked about when it is final, and each time it changes.
   */
  accepts(message: IMessageContent, reply: IReply | null): boolean;
  readonly component: FunctionComponent<IMessageProps>;
}
