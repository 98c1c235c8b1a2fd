/** What is put into a chat's input when a person asks about a cell. */
import type { IChatModel } from '@jupyter/chat';
import type { ICellModel } from '@jupyterlab/cells';

import type { IPersona } from '../api';

/** The start of a message: who is asked, and what if the cell has failed. */
export function questionFor(persona: IPersona | undefined, hasFailed: boolean): string {
  const mention = persona?.mention_name ?? '';
  return `@${mention}${mention === '' ? '' : ' '}${hasFailed ? 'Why does this cell fail?' : ''}`;
}

/** The persona that wrote last in a chat, else the first one. */
export function whomToAsk(
  personas: readonly IPersona[],
  messages: IChatModel['messages']
): IPersona | undefined {
  const ready = personas.filter(persona => persona.id !== null);
  const senders = messages.map(message => message.sender.username).reverse();
  const last = senders.find(sender => ready.some(persona => persona.id === sender));
  return ready.find(persona => persona.id === last) ?? ready[0];
}

/** Whether running the cell ended with an error. */
export function hasFailed(cell: Pick<ICellModel, 'toJSON'>): boolean {
  const { outputs } = cell.toJSON() as { outputs?: { output_type?: unknown }[] };
  return outputs?.some(output => output.output_type === 'error') === true;
}
