/** Completes `@`: the chat's personas, and people as before. */
import {
  Avatar,
  type ChatCommand,
  type IChatCommandProvider,
  type IInputModel,
  type IUser
} from '@jupyter/chat';
import * as React from 'react';

import type { IPersona, IPersonas } from '../tokens';
import { begunMention, isHidden, mentionedNames } from './grammar';
import { matching } from './matching';

/** The provider of the chat, which offers people. */
export const STOCK_ID = 'jupyter-chat:mention-commands';

const MAX_DESCRIPTION = 100;

/** A persona that can be mentioned. */
type Mentionable = IPersona & { readonly id: string; readonly mention_name: string };

/** Takes the place of the chat's own provider, which it asks about people. */
export class MentionProvider implements IChatCommandProvider {
  readonly id = STOCK_ID;

  constructor(
    private readonly personas: IPersonas,
    private readonly pathOf: (input: IInputModel) => string,
    private readonly stock: IChatCommandProvider | undefined
  ) {}

  async listCommandCompletions(input: IInputModel): Promise<ChatCommand[]> {
    const known = await this.mentionable(input);
    const names = new Set(known.map(persona => `@${persona.mention_name}`));
    const others = (await this.stock?.listCommandCompletions(input)) ?? [];
    const people = others.filter(one => !names.has(one.name));
    return [...this.offered(input, known), ...people];
  }

  async onSubmit(input: IInputModel): Promise<void> {
    await this.stock?.onSubmit(input);
    const known = await this.mentionable(input);
    const mentioned = mentionedNames(
      input.value,
      known.map(persona => persona.mention_name)
    );
    for (const persona of known) {
      // The chat reads the name as a regular expression.
      if (mentioned.has(persona.mention_name) && !/[^\p{L}\p{N}\p{M}_-]/u.test(persona.mention_name)) {
        input.addMention?.(userOf(persona));
      }
    }
  }

  private offered(input: IInputModel, known: readonly Mentionable[]): ChatCommand[] {
    const word = input.currentWord ?? '';
    const names = known.map(persona => persona.mention_name);
    const begun = begunMention(word, names);
    if (begun === null || isHidden(input.value.slice(0, input.cursorIndex ?? undefined))) {
      return [];
    }
    const found = matching(begun.typed, known, one => [one.mention_name, one.name]);
    if (found.length === 1 && found[0]?.mention_name === begun.typed) {
      // There is nothing to complete: Enter sends.
      return [];
    }
    return found.map(persona => ({
      name: `@${persona.mention_name}`,
      providerId: this.id,
      icon: <Avatar user={userOf(persona)} />,
      description: oneLine(persona.description),
      replaceWith: `${begun.before}@${persona.mention_name}`,
      spaceOnAccept: true
    }));
  }

  private async mentionable(input: IInputModel): Promise<Mentionable[]> {
    const known = await this.personas.load(this.pathOf(input));
    return known.filter((one): one is Mentionable => one.id !== null && one.mention_name !== null);
  }
}

function userOf(persona: Mentionable): IUser {
  const user: IUser = {
    username: persona.id,
    name: persona.name,
    display_name: persona.name,
    mention_name: persona.mention_name,
    initials: Array.from(persona.name)[0] ?? ''
  };
  return persona.avatar_url === null ? user : { ...user, avatar_url: persona.avatar_url };
}

/** The first sentence of a text, if that is short; else its beginning. */
function oneLine(text: string): string {
  const line = Array.from(text.replace(/\s+/g, ' ').trim());
  return line.length <= MAX_DESCRIPTION
    ? line.join('')
    : `${line.slice(0, MAX_DESCRIPTION - 1).join('').trimEnd()}…`;
}
