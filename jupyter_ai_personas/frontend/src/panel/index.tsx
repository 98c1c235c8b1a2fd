/** The side panel of the personas of a chat. */
import { IChatTracker, type IChatModel } from '@jupyter/chat';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ReactWidget } from '@jupyterlab/apputils';
import { PageConfig, URLExt } from '@jupyterlab/coreutils';
import type { Message } from '@lumino/messaging';
import * as React from 'react';

import { Api, type IModelProvider } from '../api';
import { Cached } from '../cached';
import { eachChat } from '../chats';
import { askIcon } from '../parts/icon';
import { IPersonas } from '../tokens';
import { chosenModel, isFirstRun, settingsOf } from './choices';
import { Persona } from './persona';

const MAX_AGE = 5_000;

const HELP = URLExt.join(PageConfig.getBaseUrl(), 'api/ai/help/start#give-it-a-model');

export const panelPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-ai-personas:panel',
  description: 'Lists the personas of a chat.',
  autoStart: true,
  requires: [IPersonas, IChatTracker],
  activate: (app: JupyterFrontEnd, personas: IPersonas, chats: IChatTracker): void => {
    app.shell.add(new Panel(personas, chats, new Api()), 'right', { rank: 700 });
  }
};

/** Shows the chat that was used last; reads anew when shown and when something happens in it. */
class Panel extends ReactWidget {
  constructor(
    private readonly personas: IPersonas,
    private readonly chats: IChatTracker,
    private readonly api: Api
  ) {
    super();
    this.models = new Cached(
      () => api.modelProviders(),
      MAX_AGE,
      () => {
        this.update();
      }
    );
    this.id = 'jupyter-ai-personas-panel';
    this.addClass('jp-personas-panel');
    this.title.icon = askIcon;
    this.title.caption = 'Personas';
    this.node.setAttribute('aria-label', 'Personas');
    const read = (): void => {
      this.read();
    };
    chats.currentChanged.connect(read);
    personas.changed.connect(() => {
      this.update();
    });
    personas.turnChanged.connect((_, { state }) => {
      if (state === 'ended') {
        read();
      }
    });
    eachChat(chats, ({ model: chat }) => {
      const settings = settingsOf(chat);
      const draw = (): void => {
        this.update();
      };
      settings?.observeDeep(draw);
      // Commands such as `/refresh` are answered by messages.
      chat.messagesUpdated.connect(read);
      chat.disposed.connect(() => {
        settings?.unobserveDeep(draw);
        read();
      });
    });
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.read();
  }

  protected override render(): React.JSX.Element {
    const { chat } = this;
    const providers = this.models.peek('') ?? [];
    const known = chat === undefined ? [] : this.personas.of(chat.name);
    const settings = chat && settingsOf(chat);
    const models = known.map(({ id, model }) => (id && chosenModel(settings, id)) ?? model);
    return (
      <>
        <h2>Personas</h2>
        {isFirstRun(models) && (
          <p className="jp-personas-hint">
            No model is set up.{' '}
            <a href={HELP} target="_blank" rel="noreferrer">
              How to set one up
            </a>
          </p>
        )}
        {chat === undefined ? (
          <p>Open a chat to see who is there.</p>
        ) : (
          <>
            <p className="jp-personas-where">In {chat.name}</p>
            <ul>
              {known.map(persona => (
                <Persona
                  key={persona.id ?? `${persona.source} ${persona.name}`}
                  persona={persona}
                  chat={chat}
                  providers={providers}
                  api={this.api}
                />
              ))}
            </ul>
          </>
        )}
      </>
    );
  }

  private get chat(): IChatModel | undefined {
    const model = this.chats.currentWidget?.model;
    return model?.isDisposed === false ? model : undefined;
  }

  private read(): void {
    this.update();
    if (!this.isVisible) {
      return;
    }
    if (this.chat !== undefined) {
      void this.personas.load(this.chat.name);
    }
    void this.models.get('');
  }

  private readonly models: Cached<readonly IModelProvider[]>;
}
