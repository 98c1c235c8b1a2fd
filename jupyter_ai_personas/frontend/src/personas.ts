/** Keeps what the server tells about the personas of each open chat. */
import { IChatTracker } from '@jupyter/chat';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Signal } from '@lumino/signaling';

import { Api, type IPersona } from './api';
import { Cached } from './cached';
import { eachChat } from './chats';
import { IPersonas } from './tokens';

const MAX_AGE = 5_000;

export class Personas implements IPersonas {
  constructor(api: Api) {
    this.known = new Cached(
      path => api.personas(path),
      MAX_AGE,
      path => {
        this.changed.emit(path);
      }
    );
  }

  readonly changed = new Signal<this, string>(this);

  of(chatPath: string): readonly IPersona[] {
    return this.known.peek(chatPath) ?? [];
  }

  async load(chatPath: string): Promise<readonly IPersona[]> {
    return (await this.known.get(chatPath)) ?? [];
  }

  private readonly known: Cached<readonly IPersona[]>;
}

/** Provides `IPersonas`. */
export const personasPlugin: JupyterFrontEndPlugin<IPersonas> = {
  id: 'jupyter-ai-personas:personas',
  description: 'The personas of the open chats.',
  autoStart: true,
  requires: [IChatTracker],
  provides: IPersonas,
  activate: (_app: JupyterFrontEnd, chats: IChatTracker): IPersonas => {
    const personas = new Personas(new Api());
    eachChat(chats, panel => {
      // Read ahead: whoever types `@` first finds them offered.
      void personas.load(panel.model.name);
    });
    return personas;
  }
};
