/** Asks personas about cells, and announces to chats which cell a person is at. */
import { IChatTracker, type IChatModel, type IChatPanel } from '@jupyter/chat';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Dialog, showDialog } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import { INotebookTracker } from '@jupyterlab/notebook';

import { announce } from '../awareness';
import { eachChat } from '../chats';
import { tellIfItFails } from '../parts/errors';
import { askIcon } from '../parts/icon';
import { IPersonas } from '../tokens';
import { hasFailed, questionFor, whomToAsk } from './question';

const ASK = 'jupyter-ai-personas:ask';

export const notebookPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-ai-personas:notebook',
  description: 'Asks personas about cells.',
  autoStart: true,
  requires: [IPersonas, IChatTracker, INotebookTracker],
  activate: (
    app: JupyterFrontEnd,
    personas: IPersonas,
    chats: IChatTracker,
    notebooks: INotebookTracker
  ): void => {
    announcePlace(chats, notebooks);
    const ask = async (): Promise<void> => {
      const cell = notebooks.activeCell?.model;
      const notebook = notebooks.currentWidget?.context.path;
      const chat = await chatBeside(app, chats, notebook ?? '');
      if (cell === undefined || notebook === undefined || chat === null) {
        return;
      }
      await chat.ready;
      chat.input.addAttachment?.({
        type: 'notebook',
        value: notebook,
        cells: [{ id: cell.id, input_type: cell.type as 'code' | 'markdown' | 'raw' }]
      });
      if (chat.input.value === '') {
        const persona = whomToAsk(await personas.load(chat.name), chat.messages);
        chat.input.value = questionFor(persona, hasFailed(cell));
      }
      chat.input.focus();
    };
    app.commands.addCommand(ASK, {
      label: 'Ask @…',
      caption: 'Ask a persona about this cell',
      icon: askIcon,
      isEnabled: () => notebooks.activeCell !== null,
      execute: () => tellIfItFails(ask())
    });
  }
};

/** Keep each chat told of the notebook that was used last, and of its active cell. */
function announcePlace(chats: IChatTracker, notebooks: INotebookTracker): void {
  const tell = ({ model }: IChatPanel): void => {
    const awareness = model.sharedModel?.awareness;
    if (awareness !== undefined) {
      announce(awareness, {
        notebook: notebooks.currentWidget?.context.path,
        cell: notebooks.activeCell?.model.id
      });
    }
  };
  const tellAll = (): void => {
    chats.forEach(tell);
  };
  notebooks.currentChanged.connect(tellAll);
  notebooks.activeCellChanged.connect(tellAll);
  eachChat(chats, tell);
}

/** The chat that was used last, shown; else one that the person agrees to create, or `null`. */
async function chatBeside(
  app: JupyterFrontEnd,
  chats: IChatTracker,
  notebook: string
): Promise<IChatModel | null> {
  const { commands, shell } = app;
  const panel = chats.currentWidget ?? chats.find(() => true);
  if (panel !== undefined) {
    if (panel.area === 'sidebar') {
      await commands.execute('jupyterlab-chat:open', {
        filepath: panel.model.name,
        inSidePanel: true
      });
    } else {
      shell.activateById(panel.id);
    }
    return panel.model;
  }
  const { button } = await showDialog({
    title: 'No chat is open',
    body: 'Create a chat beside the notebook?',
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: 'Create' })]
  });
  if (!button.accept) {
    return null;
  }
  const path = (await commands.execute('jupyterlab-chat:create', {
    path: PathExt.dirname(notebook)
  })) as string;
  const created: unknown = await commands.execute('docmanager:open', {
    path,
    options: { mode: 'split-right' }
  });
  return (created as IChatPanel | undefined)?.model ?? null;
}
