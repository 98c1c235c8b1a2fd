/** What this client announces in the awareness state of a chat. */
import { KEY } from './messages';

interface IAwareness {
  getLocalState?(): Record<string, unknown> | null;
  setLocalStateField(field: string, value: unknown): void;
}

/** Announce `fields` beside what is announced already; `undefined` withdraws one. */
export function announce(awareness: IAwareness, fields: Record<string, unknown>): void {
  const known = awareness.getLocalState?.()?.[KEY];
  const all = { ...(typeof known === 'object' ? known : {}), ...fields };
  const kept = Object.entries(all).filter(([, value]) => value !== undefined);
  awareness.setLocalStateField(KEY, Object.fromEntries(kept));
}
