/** Keeps what the server tells about the personas of each open chat. */
import { IChatTracker, type IChatPanel } from '@jupyter/chat';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Signal } from '@lumino/signaling';

import { Api, type IPersona } from './api';
import { IPersonas } from './tokens';

export class Personas implements IPersonas {
  constructor(private readonly api: Api) {}

  readonly changed = new Signal<this, string>(this);

  of(chatPath: string): readonly IPersona[] {
    return this.known.get(chatPath) ?? [];
  }

  /** Read the personas of a chat anew. */
  async refresh(chatPath: string): Promise<void> {
    const personas = await this.api.personas(chatPath);
    this.known.set(chatPath, personas);
    this.changed.emit(chatPath);
  }

  private readonly known = new Map<string, readonly IPersona[]>();
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
    const follow = (_: unknown, panel: IChatPanel): void => {
      personas.refresh(panel.model.name).catch((error: unknown) => {
        console.warn('The personas of the chat are unknown.', error);
      });
    };
    chats.widgetAdded.connect(follow);
    chats.forEach(panel => {
      follow(chats, panel);
    });
    return personas;
  }
};
