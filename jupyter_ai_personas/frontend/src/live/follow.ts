/** Follows the replies of one chat while they grow, and has each shown by a renderer of ours. */
import type { IChatModel, IMessage } from '@jupyter/chat';

import { announce } from '../awareness';
import { isRunning, replyOf } from '../messages';

/** What a reply is shown by while it grows. */
export interface IGrowing {
  /** Tells the chat to show this, and nobody else: it is never written into the document. */
  readonly mimeModel: { data: Record<string, unknown> };
  set(text: string): void;
  /** The chat shows the text itself from now on. */
  end(): void;
}

/** The parts of `yjs` that are used: it is not imported, since only one copy of it may be loaded. */
interface ISharedMap {
  get(key: string): unknown;
}
interface ISharedEvent {
  readonly target: { readonly parent: unknown };
}
interface ISharedMessages {
  toArray(): ISharedMap[];
  observeDeep(listener: (events: ISharedEvent[]) => void): void;
  unobserveDeep(listener: (events: ISharedEvent[]) => void): void;
}
interface ISharedDocument {
  getArray(name: string): ISharedMessages;
}

/**
 * Show each reply of `model` that grows by what `begin` returns, and announce that live bodies are
 * shown. Return what ends this.
 */
export function follow(model: IChatModel, begin: () => IGrowing): () => void {
  const shared = model.sharedModel;
  if (!isDocument(shared?.ydoc)) {
    return () => undefined;
  }
  const messages = shared.ydoc.getArray('messages');
  const growing = new Map<string, IGrowing>();

  const update = (map: ISharedMap): void => {
    const id = map.get('id');
    const message = model.messages.find(each => each.id === id);
    if (message === undefined) {
      return; // The chat tells when it has it.
    }
    const metadata = (map.get('metadata') ?? {}) as Record<string, unknown>;
    let shown = growing.get(message.id);
    if (runs({ metadata }) && map.get('deleted') !== true) {
      if (shown === undefined) {
        shown = begin();
        growing.set(message.id, shown);
      }
      shown.set(textOf(map));
      show(message, shown);
    } else if (shown !== undefined || runs(message)) {
      // A chat that is being loaded misses changes: one may have ended the reply.
      growing.delete(message.id);
      shown?.set(textOf(map));
      shown?.end();
      // A renderer that somebody registered for finished messages may show it already.
      const isOurs = message.content.mime_model === shown?.mimeModel;
      const mime_model = isOurs ? undefined : message.content.mime_model;
      message.update({ body: textOf(map), metadata, mime_model });
    }
  };

  const onEvents = (events: ISharedEvent[]): void => {
    const changed = new Set<ISharedMap>();
    for (const { target } of events) {
      // A message, or the text in one.
      const map = [target, target.parent].find(each => isMap(each) && each.get('id') !== undefined);
      if (isMap(map)) {
        changed.add(map);
      }
    }
    changed.forEach(update);
  };

  const onMessages = (): void => {
    const ids = new Set(model.messages.filter(runs).map(message => message.id));
    if (ids.size > 0) {
      messages
        .toArray()
        .filter(map => isMap(map) && ids.has(String(map.get('id'))))
        .forEach(update);
    }
  };

  messages.observeDeep(onEvents);
  model.messagesUpdated.connect(onMessages);
  onMessages();
  announce(shared.awareness, { live: 1 });
  return () => {
    messages.unobserveDeep(onEvents);
    model.messagesUpdated.disconnect(onMessages);
    growing.forEach(shown => {
      shown.end();
    });
  };
}

function runs(message: Pick<IMessage, 'metadata'>): boolean {
  const reply = replyOf(message);
  return reply !== null && isRunning(reply.state);
}

function show(message: IMessage, shown: IGrowing): void {
  // The chat takes a shared text for the body where a string has become one.
  if (typeof message.content.body !== 'string') {
    message.update({ body: '', mime_model: shown.mimeModel });
  } else if (message.content.mime_model !== shown.mimeModel) {
    message.update({ mime_model: shown.mimeModel });
  }
}

function textOf(map: ISharedMap): string {
  // A string, or a shared text.
  return (map.get('body') as { toString(): string } | undefined)?.toString() ?? '';
}

function isMap(value: unknown): value is ISharedMap {
  return typeof (value as Partial<ISharedMap> | null | undefined)?.get === 'function';
}

function isDocument(value: unknown): value is ISharedDocument {
  return typeof (value as Partial<ISharedDocument> | null | undefined)?.getArray === 'function';
}
