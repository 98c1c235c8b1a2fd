/** Stops turns: a button in the chat's input, a menu, commands of JupyterLab. */
import {
  IChatTracker,
  IInputToolbarRegistryFactory,
  type IChatModel
} from '@jupyter/chat';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { MenuSvg } from '@jupyterlab/ui-components';
import * as React from 'react';

import { eachChat, nameOf } from '../chats';
import { tellIfItFails } from '../parts/errors';
import { IPersonas } from '../tokens';
import type { IOpenTurn } from '../turns';
import { Announcer } from './announcer';
import { StopButton } from './button';

const STOP = 'jupyter-ai-personas:stop';

/** Just left of the button that sends. */
const POSITION = 98;

export const stopPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-ai-personas:stop',
  description: 'Stops what personas do.',
  autoStart: true,
  requires: [IPersonas, IChatTracker, IInputToolbarRegistryFactory],
  activate: (
    app: JupyterFrontEnd,
    personas: IPersonas,
    chats: IChatTracker,
    toolbars: IInputToolbarRegistryFactory
  ): void => {
    const { commands } = app;
    const stop = (turns: readonly string[]): void => {
      void tellIfItFails(Promise.all(turns.map(turn => personas.stop(turn))));
    };
    commands.addCommand(STOP, {
      label: args => args.label as string,
      execute: args => {
        stop(args.turns as string[]);
      }
    });

    const choose = (chat: IChatModel, near: HTMLElement): void => {
      const menu = new MenuSvg({ commands });
      for (const [label, turns] of choices(personas, chat)) {
        menu.addItem({ command: STOP, args: { label, turns: [...turns] } });
      }
      menu.aboutToClose.connect(() => {
        near.focus();
      });
      const { left, top } = near.getBoundingClientRect();
      menu.open(left, top);
      // Above the toolbar, which it would cover.
      const box = menu.node.getBoundingClientRect();
      menu.node.style.transform = `translate(${box.left}px, ${Math.max(0, top - box.height)}px)`;
    };

    const create = toolbars.create.bind(toolbars);
    toolbars.create = () => {
      const toolbar = create();
      toolbar.addItem('personas-stop', {
        element: props => (
          <StopButton {...props} personas={personas} stop={stop} choose={choose} />
        ),
        position: POSITION
      });
      return toolbar;
    };

    eachChat(chats, panel => {
      const announcer = new Announcer(panel.model, personas);
      panel.node.append(announcer.node);
      panel.disposed.connect(() => {
        announcer.dispose();
      });
    });
  }
};

/** What the menu offers: label and ids of turns. */
function choices(personas: IPersonas, chat: IChatModel): [string, readonly string[]][] {
  const turns = personas.turns(chat.name);
  const each = turns.map((turn): [string, readonly string[]] => [
    `Stop ${personaName(personas, chat, turn)}, asked by ${personName(chat, turn)}`,
    [turn.turn]
  ]);
  const all: [string, readonly string[]] = [
    `Stop all ${turns.length} turns`,
    turns.map(turn => turn.turn)
  ];
  return turns.length > 1 ? [...each, all] : each;
}

function personaName(personas: IPersonas, chat: IChatModel, turn: IOpenTurn): string {
  return personas.of(chat.name).find(persona => persona.id === turn.persona)?.name ?? 'a persona';
}

function personName(chat: IChatModel, turn: IOpenTurn): string {
  return turn.person === chat.user?.username ? 'me' : (turn.name ?? nameOf(chat, turn.person));
}
