/** Thumbs up and down below replies. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { PageConfig } from '@jupyterlab/coreutils';
import * as React from 'react';

import { Api } from '../api';
import { tellIfItFails } from '../parts/errors';
import { IPersonas, type IMessageProps } from '../tokens';
import { mayVote, votesOf, type Vote } from './votes';

const THUMB =
  'M2 21h4V9H2zm20-11a2 2 0 0 0-2-2h-6.3l1-4.6v-.3c0-.4-.2-.8-.4-1L13.2 1 6.6 7.6A2 2 0 0 0 ' +
  '6 9v10a2 2 0 0 0 2 2h9a2 2 0 0 0 1.8-1.2l3-7.1.2-.7z';

export const feedbackPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-ai-personas:feedback',
  description: 'Takes votes on replies.',
  autoStart: true,
  requires: [IPersonas],
  activate: (_app: JupyterFrontEnd, personas: IPersonas): void => {
    if (PageConfig.getOption('jupyterAiPersonasFeedback') === 'false') {
      return; // The operator turned votes off.
    }
    const api = new Api();
    personas.footers.add({
      id: 'feedback',
      rank: 40,
      component: props => <Thumbs {...props} api={api} />
    });
  }
};

function Thumbs(props: IMessageProps & { api: Api }): React.JSX.Element | null {
  const { api, chat, message, reply } = props;
  const [isSending, setSending] = React.useState(false);
  if (!mayVote(reply)) {
    return null;
  }
  const votes = votesOf(message, chat.user?.username);
  const thumb = (vote: Vote, label: string, count: number): React.JSX.Element => {
    const isMine = votes.mine === vote;
    const send = async (): Promise<void> => {
      setSending(true);
      const body = { message_id: message.id, vote: isMine ? 0 : vote };
      await tellIfItFails(api.post('feedback', { chat_path: chat.name }, body));
      setSending(false);
    };
    return (
      <button
        type="button"
        className="jp-personas-thumb"
        aria-pressed={isMine}
        aria-disabled={isSending}
        aria-label={`${label}, ${count}`}
        title={isMine ? 'Take my vote back' : label}
        onClick={() => {
          if (!isSending) {
            void send();
          }
        }}
      >
        <svg viewBox="0 0 24 24" width="14" height="14" aria-hidden="true">
          <path d={THUMB} transform={vote < 0 ? 'rotate(180 12 12)' : undefined} />
        </svg>
        {count > 0 && count}
      </button>
    );
  };
  return (
    <span className="jp-personas-thumbs" role="group" aria-label="Votes on this reply">
      {thumb(1, 'Good reply', votes.up)}
      {thumb(-1, 'Bad reply', votes.down)}
    </span>
  );
}
