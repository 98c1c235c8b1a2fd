/** Completes `/` commands, and the models of `/model @Name`. */
import type { ChatCommand, IChatCommandProvider, IInputModel } from '@jupyter/chat';

import { begunCommand, begunModel } from './grammar';
import { matching } from './matching';

export interface IOfferedCommand {
  readonly name: string;
  readonly help: string;
}

export interface IOfferedModel {
  readonly reference: string;
  readonly provider: string;
}

/** What the server offers. */
export interface IOffers {
  commands(chatPath: string): Promise<readonly IOfferedCommand[]>;
  models(): Promise<readonly IOfferedModel[]>;
}

const MAX_MODELS = 100;

export class CommandProvider implements IChatCommandProvider {
  readonly id = 'jupyter-ai-personas:commands';

  constructor(private readonly offers: IOffers) {}

  async listCommandCompletions(input: IInputModel): Promise<ChatCommand[]> {
    const before = input.value.slice(0, input.cursorIndex ?? undefined);
    return [...(await this.commands(input, before)), ...(await this.models(before))];
  }

  onSubmit(): Promise<void> {
    return Promise.resolve();
  }

  private async commands(input: IInputModel, before: string): Promise<ChatCommand[]> {
    const typed = begunCommand(before);
    if (typed === null) {
      return [];
    }
    const all = await this.offers.commands(input.chatContext?.name ?? '');
    const found = matching(typed, all, one => [one.name]).filter(one =>
      one.name.toLowerCase().startsWith(typed.toLowerCase())
    );
    if (found.length === 1 && found[0]?.name === typed) {
      // There is nothing to complete: Enter sends.
      return [];
    }
    return found.map(one => ({
      name: one.name,
      providerId: this.id,
      // The completion shows plain text.
      description: one.help.replace(/`/g, ''),
      spaceOnAccept: true
    }));
  }

  private async models(before: string): Promise<ChatCommand[]> {
    const begun = begunModel(before);
    if (begun === null) {
      return [];
    }
    const found = matching(begun.typed, await this.offers.models(), one => [one.reference]);
    if (found.length === 1 && found[0]?.reference === begun.typed) {
      return [];
    }
    return found.slice(0, MAX_MODELS).map(one => ({
      name: one.reference,
      providerId: this.id,
      description: one.provider
    }));
  }
}
