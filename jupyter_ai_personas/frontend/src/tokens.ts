/** What other extensions use: the token `IPersonas` and its types. */
import { Token } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';

import type { IPersona } from './api';

export type { IPersona } from './api';

/** The personas of the open chats. */
export interface IPersonas {
  /**
   * The personas that can be mentioned in a chat, as they were last read; an empty list until the
   * server has answered.
   *
   * @param chatPath - The path of the chat's file, as its model has it in `name`.
   */
  of(chatPath: string): readonly IPersona[];

  /** As `of`, once the server has answered. */
  load(chatPath: string): Promise<readonly IPersona[]>;

  /** The personas of a chat have changed; the argument is the chat's path. */
  readonly changed: ISignal<IPersonas, string>;
}

export const IPersonas = new Token<IPersonas>(
  'jupyter-ai-personas:IPersonas',
  "The personas of JupyterLab's chats."
);
