/** What a message that asks for an approval tells, and who may decide. */
import { metadataOf } from '../messages';

/** An open approval; the fields have the names of the REST interface. */
export interface IApproval {
  readonly id: string;
  readonly tool: string;
  /** The username of who asked the persona. */
  readonly asked_by: string;
  /** `anyone`, `asker` or usernames. */
  readonly may_decide: readonly string[];
  /** In seconds since 1970. */
  readonly expires: number;
}

/** A message that asks. */
export interface IQuestion {
  readonly id: string;
  /** What the persona wants to do, in Markdown. */
  readonly request: string;
  /** Who may decide or what was decided, in Markdown. */
  readonly end: string;
  readonly isOpen: boolean;
}

/** What a message asks for; `null` if it asks for no approval. */
export function questionOf(message: {
  readonly body: string;
  readonly metadata?: Record<string, unknown>;
}): IQuestion | null {
  const { approval, decision } = metadataOf(message);
  if (typeof approval !== 'string') {
    return null;
  }
  // The last paragraph is the server's, the others are what was asked.
  const cut = Math.max(0, message.body.lastIndexOf('\n\n'));
  return {
    id: approval,
    request: message.body.slice(0, cut),
    end: message.body.slice(cut).trim(),
    isOpen: decision === undefined
  };
}

/** Whether a person may decide; the server checks it again. */
export function mayDecide(approval: IApproval, username: string | undefined): boolean {
  return approval.may_decide.some(
    name =>
      name === 'anyone' || name === username || (name === 'asker' && approval.asked_by === username)
  );
}

/** Who may decide until when, as a sentence; `nameOf` gives the name that people see. */
export function whoDecides(approval: IApproval, nameOf: (username: string) => string): string {
  const names = approval.may_decide.map(name =>
    name === 'anyone' ? 'anyone here' : nameOf(name === 'asker' ? approval.asked_by : name)
  );
  const who = [...new Set(names)].join(' or ') || 'nobody';
  const until = new Date(approval.expires * 1000).toLocaleTimeString([], {
    hour: '2-digit',
    minute: '2-digit'
  });
  return `${who[0]?.toUpperCase() ?? ''}${who.slice(1)} may decide until ${until}.`;
}
