/** The models of a persona in a chat, and whether there is any. */
import type { IChatModel } from '@jupyter/chat';

import type { IModelProvider, IPersona } from '../api';
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

/** A model as a choice: what is sent, and what is shown. */
export interface IChoice {
  readonly value: string;
  readonly label: string;
}

/** The models of a persona by group: its own, or those of providers that can answer now. */
export function offered(
  persona: IPersona,
  providers: readonly IModelProvider[]
): [string, IChoice[]][] {
  const groups: [string, IChoice[]][] =
    persona.own_models
      ? [[persona.name, persona.own_models.map(({ id, name }) => ({ value: id, label: name }))]]
      : providers
          .filter(provider => provider.chat && provider.available)
          .map(({ id, name, models }) => [
            name,
            models.map(one => ({ value: `${id}:${one}`, label: `${id}:${one}` }))
          ]);
  return groups.filter(([, models]) => models.length > 0);
}

/** Whether no model is set up: the references are those of the personas' models. */
export function isFirstRun(models: readonly (string | null)[]): boolean {
  const known = models.filter(model => model !== null);
  return known.length > 0 && known.every(model => model.startsWith('workspace:'));
}
