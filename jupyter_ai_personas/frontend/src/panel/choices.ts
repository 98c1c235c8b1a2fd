/** The models of a persona in a chat, and whether there is any. */
import type { IChatModel } from '@jupyter/chat';

import type { IModelProvider } from '../api';
import { KEY } from '../messages';

/** A map that people share; only what is used of it. */
export interface ISharedMap {
  get(key: string): unknown;
  observeDeep(listener: () => void): void;
  unobserveDeep(listener: () => void): void;
}

/** Where a chat keeps its settings. */
export function settingsOf(chat: IChatModel): ISharedMap | undefined {
  const doc = chat.sharedModel?.ydoc as { getMap(name: string): ISharedMap } | undefined;
  return doc?.getMap('metadata');
}

/** The model that people chose for a persona in a chat, or `null`. */
export function chosenModel(settings: ISharedMap | undefined, personaId: string): string | null {
  const ours = settings?.get(KEY) as { models?: Record<string, unknown> } | null | undefined;
  const chosen = ours?.models?.[personaId];
  return typeof chosen === 'string' ? chosen : null;
}

/** References of models by provider, of those that can answer in chats now. */
export function offered(providers: readonly IModelProvider[]): [string, string[]][] {
  return providers
    .filter(provider => provider.chat && provider.available)
    .map(({ id, name, models }): [string, string[]] => [name, models.map(one => `${id}:${one}`)])
    .filter(([, models]) => models.length > 0);
}

/** Whether no model is set up: the references are those of the personas' models. */
export function isFirstRun(models: readonly (string | null)[]): boolean {
  const known = models.filter(model => model !== null);
  return known.length > 0 && known.every(model => model.startsWith('workspace:'));
}
