/** Shows messages of personas with the registered renderers. */
import { IChatTracker, type IChatModel, type IMessage } from '@jupyter/chat';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ReactWidget } from '@jupyterlab/apputils';
import { IRenderMimeRegistry, type IRenderMime } from '@jupyterlab/rendermime';
import * as React from 'react';

import { eachChat } from '../chats';
import { isPersona, isRunning, replyOf } from '../messages';
import { IPersonas, type IRenderer } from '../tokens';
import { useSignal } from './hooks';

/** The type that stands for a message in the browser; it is never written into the chat. */
const MIME_TYPE = 'application/vnd.jupyter-ai-personas.message+json';

interface IShown {
  readonly chat: IChatModel;
  readonly message: IMessage;
  readonly renderer: IRenderer;
}

export const renderersPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-ai-personas:renderers',
  description: 'Shows registered renderers.',
  autoStart: true,
  requires: [IPersonas, IChatTracker, IRenderMimeRegistry],
  activate: (
    _app: JupyterFrontEnd,
    personas: IPersonas,
    chats: IChatTracker,
    mime: IRenderMimeRegistry
  ): void => {
    const shown = new Map<string, IShown>();
    mime.addFactory({
      mimeTypes: [MIME_TYPE],
      safe: true,
      defaultRank: 0,
      createRenderer: () => new RenderedMessage(shown)
    });
    eachChat(chats, ({ model: chat }) => {
      const followed = new WeakSet<IMessage>();
      const choose = (message: IMessage): void => {
        chooseRenderer(personas, chat, message, shown);
      };
      const chooseAll = (): void => {
        chat.messages.forEach(choose);
      };
      const follow = (): void => {
        for (const message of chat.messages) {
          if (!followed.has(message) && isPersona(message.sender.username)) {
            followed.add(message);
            message.changed.connect(choose);
            choose(message);
          }
        }
      };
      chat.messagesUpdated.connect(follow);
      personas.renderers.changed.connect(chooseAll);
      chat.disposed.connect(() => {
        personas.renderers.changed.disconnect(chooseAll);
      });
      follow();
    });
  }
};

/** Give a message the renderer that accepts it, or take it back. */
function chooseRenderer(
  personas: IPersonas,
  chat: IChatModel,
  message: IMessage,
  shown: Map<string, IShown>
): void {
  const reply = replyOf(message);
  const isGrowing = reply !== null && isRunning(reply.state);
  const renderer =
    isGrowing || message.deleted === true || !isPersona(message.sender.username)
      ? undefined
      : personas.renderers.entries.find(one => one.accepts(message.content, reply));
  const before = shown.get(message.id);
  if (renderer === undefined) {
    if (before?.message === message) {
      shown.delete(message.id);
      message.update({ mime_model: undefined });
    }
  } else if (before?.renderer !== renderer || before.message !== message) {
    shown.set(message.id, { chat, message, renderer });
    message.update({ mime_model: { data: { [MIME_TYPE]: { id: message.id } } } });
  }
}

class RenderedMessage extends ReactWidget implements IRenderMime.IRenderer {
  constructor(private readonly shown: Map<string, IShown>) {
    super();
    this.addClass('jp-personas-rendered');
    this.addClass('jp-RenderedHTMLCommon');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const { id } = model.data[MIME_TYPE] as unknown as { id: string };
    this.entry = this.shown.get(id);
    this.update();
    await this.renderPromise;
  }

  protected override render(): React.JSX.Element | null {
    return this.entry === undefined ? null : <Rendered {...this.entry} />;
  }

  private entry: IShown | undefined;
}

function Rendered({ chat, message, renderer }: IShown): React.JSX.Element {
  useSignal(message.changed);
  return (
    <renderer.component chat={chat} message={message.content} reply={replyOf(message)} />
  );
}
