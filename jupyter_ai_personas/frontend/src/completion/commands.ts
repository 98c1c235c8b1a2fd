/** Completes `/` commands, and the models of `/model @Name`. */
import type { ChatCommand, IChatCommandProvider, IInputModel } from '@jupyter/chat';

import type { IClientCommand } from '../tokens';
import { begunCommand, begunModel } from './grammar';
import { matching } from './matching';

export interface IOfferedCommand {
  readonly name: string;
  readonly help: string;
  /** The persona whose command it is, if it is one's. */
  readonly persona?: string;
}

export interface IOfferedModel {
  readonly reference: string;
  readonly provider: string;
}

/** What can be completed: what the server offers, and what runs here. */
export interface IOffers {
  commands(input: IInputModel): Promise<readonly IOfferedCommand[]>;
  /** The models of the persona with a mention name. */
  models(name: string, input: IInputModel): Promise<readonly IOfferedModel[]>;
  /** The commands that run in the browser. */
  own(): readonly IClientCommand[];
  /** Run one of these; `input` tells in which chat. */
  run(command: IClientCommand, text: string, input: IInputModel): void;
}

const MAX_MODELS = 100;

export class CommandProvider implements IChatCommandProvider {
  readonly id = 'jupyter-ai-personas:commands';

  constructor(private readonly offers: IOffers) {}

  async listCommandCompletions(input: IInputModel): Promise<ChatCommand[]> {
    const before = input.value.slice(0, input.cursorIndex ?? undefined);
    return [...(await this.commands(input, before)), ...(await this.models(input, before))];
  }

  onSubmit(input: IInputModel): Promise<void> {
    const [, name = '', text = ''] = /^\s*(\/\S+)(.*)$/su.exec(input.value) ?? [];
    const command = this.offers.own().find(one => one.name === name);
    if (command !== undefined) {
      // The chat sends no empty message.
      input.value = '';
      input.clearAttachments?.();
      this.offers.run(command, text.trim(), input);
    }
    return Promise.resolve();
  }

  private async commands(input: IInputModel, before: string): Promise<ChatCommand[]> {
    const typed = begunCommand(before);
    if (typed === null) {
      return [];
    }
    const all: readonly IOfferedCommand[] = [
      ...(await this.offers.commands(input)),
      ...this.offers.own()
    ];
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
      description: described(one),
      spaceOnAccept: true
    }));
  }

  private async models(input: IInputModel, before: string): Promise<ChatCommand[]> {
    const begun = begunModel(before);
    if (begun === null) {
      return [];
    }
    const found = matching(begun.typed, await this.offers.models(begun.name, input), one => [
      one.reference
    ]);
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

/** What is said of a command, as plain text: the completion shows no Markdown. */
function described({ help, persona = '' }: IOfferedCommand): string {
  const text = help.replace(/`/g, '');
  return persona === '' ? text : `${persona}: ${text}`;
}
