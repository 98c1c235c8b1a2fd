/** What people read of a reply's state and of what it took. */
import { metadataOf, type TurnState } from '../messages';

interface IMark {
  readonly sign: string;
  readonly word: string;
}

/** How a state is shown; nothing is said of what goes on visibly, or went well. */
export const MARKS: Record<TurnState, IMark | null> = {
  streaming: null,
  done: null,
  waiting: { sign: '…', word: 'Waits for an approval' },
  stopped: { sign: '■', word: 'Stopped' },
  failed: { sign: '✕', word: 'Failed' },
  interrupted: { sign: '↯', word: 'Interrupted' },
  rejected: { sign: '⊘', word: 'Not answered' }
};

/** What a reply took, such as `openai:gpt-5 · 3.2 s · 1,234 tokens`; empty if nothing is known. */
export function usageOf(message: { metadata?: Record<string, unknown> | undefined }): string {
  const usage = metadataOf(message).usage as Record<string, unknown> | undefined;
  const { model, seconds, total_tokens: total, input_tokens: given, output_tokens: written } =
    usage ?? {};
  const tokens = number(total) ?? sum(number(given), number(written));
  return [
    typeof model === 'string' ? model : '',
    number(seconds) === null ? '' : `${(seconds as number).toFixed(1)} s`,
    tokens === null ? '' : `${tokens.toLocaleString('en')} ${tokens === 1 ? 'token' : 'tokens'}`
  ]
    .filter(part => part !== '')
    .join(' · ');
}

function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function sum(one: number | null, other: number | null): number | null {
  return one === null && other === null ? null : (one ?? 0) + (other ?? 0);
}
