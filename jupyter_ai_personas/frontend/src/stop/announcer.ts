/** Tells people who use a screen reader what becomes of turns. */
import type { IChatModel } from '@jupyter/chat';
import type { IDisposable } from '@lumino/disposable';

import type { IPersonas, ITurnChange } from '../tokens';

const SENTENCES: Record<ITurnChange['state'], string | null> = {
  open: null,
  streaming: 'is answering.',
  waiting: 'waits for an approval.',
  done: 'has answered.',
  stopped: 'was stopped.',
  failed: 'has failed.',
  interrupted: 'was interrupted.',
  rejected: 'did not answer.',
  ended: null
};

/** Put `node` into the page: it shows nothing, and is read aloud when it changes. */
export class Announcer implements IDisposable {
  constructor(
    private readonly chat: IChatModel,
    private readonly personas: IPersonas
  ) {
    this.node.className = 'jp-personas-announcer';
    this.node.setAttribute('role', 'status');
    this.node.setAttribute('aria-live', 'polite');
    personas.turnChanged.connect(this.tell);
  }

  readonly node = document.createElement('div');

  get isDisposed(): boolean {
    return this.disposed;
  }

  dispose(): void {
    this.disposed = true;
    this.personas.turnChanged.disconnect(this.tell);
    this.node.remove();
  }

  private readonly tell = (_: IPersonas, change: ITurnChange): void => {
    const sentence = SENTENCES[change.state];
    if (sentence !== null && change.chatPath === this.chat.name) {
      const persona = this.personas.of(change.chatPath).find(one => one.id === change.personaId);
      this.node.textContent = `${persona?.name ?? 'A persona'} ${sentence}`;
    }
  };

  private disposed = false;
}
