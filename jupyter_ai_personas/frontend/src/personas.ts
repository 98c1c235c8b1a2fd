/** Keeps what is known of the personas of each open chat, and what extensions add to them. */
import { IChatTracker, type IChatModel } from '@jupyter/chat';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Signal } from '@lumino/signaling';

import { Api, type IPersona } from './api';
import { Cached } from './cached';
import { eachChat } from './chats';
import { Registry } from './registry';
import {
  IPersonas,
  type IClientCommand,
  type IFooter,
  type IRenderer,
  type ITurnChange
} from './tokens';
import { ChatTurns, type IOpenTurn } from './turns';

const MAX_AGE = 5_000;

export class Personas implements IPersonas {
  constructor(private readonly api: Api) {
    this.known = new Cached(
      path => api.personas(path),
      MAX_AGE,
      path => {
        this.changed.emit(path);
      }
    );
  }

  readonly changed = new Signal<this, string>(this);
  readonly turnChanged = new Signal<this, ITurnChange>(this);
  readonly commands = new Registry<IClientCommand>(command => command.name);
  readonly footers = new Registry<IFooter>(footer => footer.id);
  readonly renderers = new Registry<IRenderer>(renderer => renderer.id);

  of(chatPath: string): readonly IPersona[] {
    return this.known.peek(chatPath) ?? [];
  }

  async load(chatPath: string): Promise<readonly IPersona[]> {
    return (await this.known.get(chatPath)) ?? [];
  }

  turns(chatPath: string): readonly IOpenTurn[] {
    return [...this.chats].find(([chat]) => chat.name === chatPath)?.[1].open ?? [];
  }

  async stop(turn: string): Promise<void> {
    await this.api.cancelTurn(turn);
  }

  async retry(turn: string): Promise<void> {
    await this.api.retryTurn(turn);
  }

  /** Follow a chat until it is closed. */
  follow(chat: IChatModel): void {
    const turns = new ChatTurns(chat, change => {
      this.turnChanged.emit(change);
      // A persona may have told of its models and commands.
      if (change.state === 'ended') {
        void this.known.refresh(chat.name);
      }
    });
    this.chats.set(chat, turns);
    chat.disposed.connect(() => {
      this.chats.delete(chat);
    });
    // Read ahead: whoever types `@` first finds them offered.
    void this.load(chat.name);
  }

  private readonly known: Cached<readonly IPersona[]>;
  private readonly chats = new Map<IChatModel, ChatTurns>();
}

/** Provides `IPersonas`. */
export const personasPlugin: JupyterFrontEndPlugin<IPersonas> = {
  id: 'jupyter-ai-personas:personas',
  description: 'Provides `IPersonas`.',
  autoStart: true,
  requires: [IChatTracker],
  provides: IPersonas,
  activate: (_app: JupyterFrontEnd, chats: IChatTracker): IPersonas => {
    const personas = new Personas(new Api());
    eachChat(chats, panel => {
      personas.follow(panel.model);
    });
    return personas;
  }
};
