/** Shows the registered footers below the messages of personas. */
import {
  IMessageFooterRegistry,
  type IMessage,
  type IMessageContent,
  type IMessagePartProps
} from '@jupyter/chat';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import * as React from 'react';

import { isPersona, replyOf } from '../messages';
import { IPersonas } from '../tokens';
import { useSignal } from './hooks';

type Part = React.FunctionComponent<IMessagePartProps>;

const POSITION = 'left';

export const footersPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-ai-personas:footers',
  description: 'Shows registered footers.',
  autoStart: true,
  requires: [IPersonas, IMessageFooterRegistry],
  activate: (app: JupyterFrontEnd, personas: IPersonas, registry: IMessageFooterRegistry): void => {
    // The chat has one component in each position: keep what others put there.
    let ours: Part | undefined;
    const mount = (): void => {
      const there = registry.getFooter()[POSITION]?.component;
      if (there !== ours || ours === undefined) {
        ours = footersOf(personas, there);
        registry.addSection({ position: POSITION, component: ours });
      }
    };
    mount();
    void app.started.then(mount);
  }
};

function footersOf(personas: IPersonas, Other: Part | undefined): Part {
  return function Footers(props: IMessagePartProps): React.JSX.Element {
    return (
      <>
        {Other !== undefined && <Other {...props} />}
        {isPersona(props.message.sender.username) && <Row {...props} personas={personas} />}
      </>
    );
  };
}

function Row(props: IMessagePartProps & { personas: IPersonas }): React.JSX.Element {
  const { model, personas } = props;
  useSignal(personas.footers.changed);
  // The chat draws footers once; its messages tell when they change.
  useSignal((props.message as Partial<IMessage>).changed);
  const message = contentOf(props.message);
  const reply = replyOf(message);
  return (
    <div className="jp-personas-footer">
      {personas.footers.entries.map(footer => (
        <footer.component key={footer.id} chat={model} message={message} reply={reply} />
      ))}
    </div>
  );
}

function contentOf(message: IMessageContent): IMessageContent {
  return (message as Partial<IMessage>).content ?? message;
}
