/** Counts the words of replies, shows tables, and adds `/words`. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { IPersonas, type IMessageProps } from 'jupyter-ai-personas';
import * as React from 'react';

const TABLE = /^\s*```csv\n([\s\S]*?)\n```\s*$/;

function countWords(text: string): number {
  return text.split(/\s+/).filter(word => word !== '').length;
}

/** Below each finished reply: how many words it has. */
function WordCount({ message, reply }: IMessageProps): React.JSX.Element | null {
  return reply?.state === 'done' ? <span>{countWords(message.body)} words</span> : null;
}

/** In the place of a reply that is one CSV block: a table. */
function Table({ message }: IMessageProps): React.JSX.Element {
  const lines = TABLE.exec(message.body)?.[1]?.split('\n') ?? [];
  const [head = [], ...rows] = lines.map(line => line.split(','));
  return (
    <table>
      <thead>
        <tr>
          {head.map((cell, column) => (
            <th key={column}>{cell}</th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((cells, row) => (
          <tr key={row}>
            {cells.map((cell, column) => (
              <td key={column}>{cell}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-ai-personas-words:plugin',
  description: 'Counts the words of replies, and shows tables.',
  autoStart: true,
  requires: [IPersonas],
  activate: (_app: JupyterFrontEnd, personas: IPersonas): void => {
    personas.footers.add({ id: 'words', rank: 40, component: WordCount });
    personas.renderers.add({
      id: 'csv',
      accepts: message => TABLE.test(message.body),
      component: Table
    });

    let answered = 0;
    personas.turnChanged.connect((_, change) => {
      answered += change.state === 'done' ? 1 : 0;
    });
    personas.commands.add({
      name: '/words',
      help: 'counts the words of this chat',
      run: (_text, chat) => {
        const words = chat.messages.reduce((sum, message) => sum + countWords(message.body), 0);
        const here = personas.of(chat.name).length;
        const found = `${words} words, ${here} personas, ${answered} replies since you came.`;
        Notification.info(found, { autoClose: 10_000 });
      }
    });
  }
};

export default plugin;
