/** The card of a call of a tool that people are asked about. */
import type { IChatModel } from '@jupyter/chat';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import * as React from 'react';

import type { Api } from '../api';
import { nameOf } from '../chats';
import { Markdown } from '../parts/markdown';
import type { IMessageProps } from '../tokens';
import { mayDecide, questionOf, whoDecides, type IApproval, type IQuestion } from './approval';

interface IServices {
  readonly api: Api;
  readonly mime: IRenderMimeRegistry;
}

type Decide = (decision: { decision: string; scope?: string; reason?: string }) => void;

/** For how many frames a card is given the focus that was on its buttons. */
const FRAMES = 60;

/** The ids of approvals that the person decides in this tab. */
const decidedHere = new Set<string>();

export function ApprovalCard(props: IMessageProps & IServices): React.JSX.Element | null {
  const { chat, message, mime } = props;
  const question = questionOf(message);
  const card = React.useRef<HTMLElement>(null);
  const id = question?.isOpen === false ? question.id : '';
  React.useEffect(() => {
    if (decidedHere.has(id)) {
      // The buttons are gone. The chat draws the card anew, perhaps more than once.
      const focus = (frames: number): void => {
        if (document.activeElement === document.body) {
          card.current?.focus();
        }
        if (frames > 0) {
          requestAnimationFrame(() => {
            focus(frames - 1);
          });
        } else {
          decidedHere.delete(id);
        }
      };
      focus(FRAMES);
    }
  }, [id]);
  if (question === null) {
    return null;
  }
  const title = `Approval for ${message.sender.display_name ?? message.sender.name ?? 'a persona'}`;
  return (
    <section
      ref={card}
      className="jp-personas-card"
      data-open={question.isOpen}
      tabIndex={-1}
      aria-label={title}
    >
      <Markdown mime={mime} text={question.request} />
      <div role="status" className="jp-personas-card-end">
        {!question.isOpen && <Markdown mime={mime} text={question.end} />}
      </div>
      {question.isOpen && <Pending {...props} chat={chat} question={question} />}
    </section>
  );
}

interface IPendingProps extends IServices {
  readonly chat: IChatModel;
  readonly question: IQuestion;
}

function Pending({ api, mime, chat, question }: IPendingProps): React.JSX.Element {
  const approval = useApproval(api, chat.name, question.id);
  const [isSending, setSending] = React.useState(false);
  const [problem, setProblem] = React.useState('');
  const decide: Decide = decision => {
    setSending(true);
    setProblem('');
    decidedHere.add(question.id);
    api.post(`approvals/${encodeURIComponent(question.id)}`, {}, decision).then(
      () => undefined, // The message tells.
      (error: unknown) => {
        decidedHere.delete(question.id);
        setSending(false);
        setProblem(error instanceof Error ? error.message : String(error));
      }
    );
  };
  return (
    <>
      {approval === null ? (
        <Markdown mime={mime} text={question.end} />
      ) : (
        <p>{whoDecides(approval, username => nameOf(chat, username))}</p>
      )}
      {approval !== null && mayDecide(approval, chat.user?.username) && (
        <Choice decide={decide} isSending={isSending} />
      )}
      <p role="alert" className="jp-personas-problem">
        {problem}
      </p>
    </>
  );
}

function Choice({ decide, isSending }: { decide: Decide; isSending: boolean }): React.JSX.Element {
  const [reason, setReason] = React.useState('');
  return (
    <form
      className="jp-personas-choice"
      onSubmit={event => {
        event.preventDefault();
        decide({ decision: 'deny', reason });
      }}
    >
      <button
        type="button"
        className="jp-personas-button jp-personas-approve"
        disabled={isSending}
        onClick={() => {
          decide({ decision: 'approve' });
        }}
      >
        Approve
      </button>
      <button
        type="button"
        className="jp-personas-button"
        disabled={isSending}
        title="Approve, and allow this tool to this persona in this chat from now on"
        onClick={() => {
          decide({ decision: 'approve', scope: 'chat' });
        }}
      >
        Allow in this chat
      </button>
      <span className="jp-personas-deny">
        <input
          type="text"
          value={reason}
          maxLength={1000}
          disabled={isSending}
          placeholder="Reason (optional)"
          aria-label="Reason for denying, optional"
          onChange={event => {
            setReason(event.target.value);
          }}
        />
        <button type="submit" className="jp-personas-button" disabled={isSending}>
          Deny
        </button>
      </span>
    </form>
  );
}

/** The open approval of an id; `null` until the server has told, or if it is open no more. */
function useApproval(api: Api, chatPath: string, id: string): IApproval | null {
  const [approval, setApproval] = React.useState<IApproval | null>(null);
  React.useEffect(() => {
    let isShown = true;
    const query = { chat_path: chatPath };
    api.get<{ approvals: IApproval[] }>('approvals', query).then(
      ({ approvals }) => {
        if (isShown) {
          setApproval(approvals.find(one => one.id === id) ?? null);
        }
      },
      (error: unknown) => {
        console.warn('Personas: the server tells no approvals.', error);
      }
    );
    return () => {
      isShown = false;
    };
  }, [api, chatPath, id]);
  return approval;
}
