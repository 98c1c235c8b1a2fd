/** Completion in the chat's input: personas, commands, models. */
import { IChatCommandRegistry, IChatTracker } from '@jupyter/chat';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { Api } from '../api';
import { Cached } from '../cached';
import { chatOf, eachChat, pathOf } from '../chats';
import { tellIfItFails } from '../parts/errors';
import { IPersonas } from '../tokens';
import { CommandProvider } from './commands';
import { begunModel, endsWithName } from './grammar';
import { completeBeforeWord, completeWithTab, followCursor } from './input';
import { MentionProvider, STOCK_ID } from './mentions';

const MAX_AGE = 30_000;

export const completionPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-ai-personas:completion',
  description: 'Completes personas, commands and models.',
  autoStart: true,
  requires: [IPersonas, IChatTracker, IChatCommandRegistry],
  activate: (
    app: JupyterFrontEnd,
    personas: IPersonas,
    chats: IChatTracker,
    registry: IChatCommandRegistry
  ): void => {
    const api = new Api();
    const commands = new Cached(path => api.commands(path), MAX_AGE);
    const models = new Cached(async () => {
      const providers = await api.modelProviders();
      return providers
        .filter(provider => provider.chat && provider.available)
        .flatMap(provider =>
          provider.models
            // Any name will do there; there is none to offer.
            .filter(model => model !== '*')
            .map(model => ({ reference: `${provider.id}:${model}`, provider: provider.name }))
        );
    }, MAX_AGE);

    personas.changed.connect((_, path) => {
      void commands.refresh(path);
    });
    registry.addProvider(
      new CommandProvider({
        commands: async input => (await commands.get(pathOf(chats, input))) ?? [],
        models: async (name, input) => {
          const known = await personas.load(pathOf(chats, input));
          const persona = known.find(one => one.mention_name?.toLowerCase() === name.toLowerCase());
          return (
            persona?.own_models?.map(({ id }) => ({ reference: id, provider: persona.name })) ??
            (await models.get('')) ??
            []
          );
        },
        own: () => personas.commands.entries,
        run: (command, text, input) => {
          const chat = chatOf(chats, input);
          if (chat !== undefined) {
            void tellIfItFails(Promise.resolve().then(() => command.run(text, chat)));
          }
        }
      })
    );
    void app.started.then(() => {
      const stock = registry.getProviders().find(provider => provider.id === STOCK_ID);
      registry.addProvider(new MentionProvider(personas, input => pathOf(chats, input), stock));
    });
    eachChat(chats, panel => {
      void commands.get(panel.model.name);
      void models.get('');
      completeWithTab(panel.node, before =>
        endsWithName(
          before,
          personas.of(panel.model.name).flatMap(one => one.mention_name ?? []),
          [...(commands.peek(panel.model.name) ?? []), ...personas.commands.entries].map(
            one => one.name
          )
        )
      );
      followCursor(panel.node, panel.model.input);
      completeBeforeWord(panel.model.input, before => begunModel(before)?.typed === '');
    });
  }
};
