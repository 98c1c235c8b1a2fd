import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { IChatModel, IMessage } from '@jupyter/chat';
import { PromiseDelegate } from '@lumino/coreutils';
import { Signal } from '@lumino/signaling';

import { keepNewest } from '../src/live/newest';

interface IContent {
  body: string;
  mime_model?: string | undefined;
  mentions?: readonly string[];
}

/** A chat of one message, which renders it as the stock chat does; a test ends each rendering. */
class Chat {
  readonly messages: Chat[] = [this];
  readonly messagesUpdated = new Signal<this, void>(this);
  readonly messageChanged = new Signal<this, Chat>(this);
  renderedDelegate = new PromiseDelegate<void>();
  content: IContent = { body: 'one' };
  shown = '';
  renderings: (() => void)[] = [];

  constructor() {
    this.render();
  }

  get mentions(): readonly string[] | undefined {
    return this.content.mentions;
  }

  get newest(): string {
    return this.content.mime_model ?? this.content.body;
  }

  update(fields: Partial<IContent>): void {
    this.content = { ...this.content, ...fields };
    this.renderedDelegate = new PromiseDelegate<void>();
    this.render();
    this.messageChanged.emit(this);
  }

  private render(): void {
    const { newest, renderedDelegate } = this;
    const end = (): void => {
      this.renderings = this.renderings.filter(each => each !== end);
      this.shown = newest;
      renderedDelegate.resolve();
    };
    this.renderings.push(end);
  }
}

const end = (body: string): Partial<IContent> => ({ body, mime_model: undefined });

/** What a reply goes through that is begun as a string, ends, is asked for again, and ends. */
const CHANGES = [{ mime_model: 'live' }, end('two'), { body: '', mime_model: 'again' }, end('three')];

/**
 * Take each step by `choices`: 0 is the next change while there is one, others end the renderings.
 * Return what the chat is then like, and among how many steps there is the next choice.
 */
async function play(choices: readonly number[]): Promise<{ chat: Chat; steps: number }> {
  const chat = new Chat();
  keepNewest(chat as unknown as IChatModel);
  const changes = CHANGES.map(fields => () => {
    chat.update(fields);
  });
  const steps = (): (() => void)[] => [...changes.slice(0, 1), ...chat.renderings];
  for (const choice of choices) {
    const step = steps()[choice];
    if (step === changes[0]) {
      changes.shift();
    }
    step?.();
    await Promise.resolve();
    await Promise.resolve();
  }
  return { chat, steps: steps().length };
}

test('in whatever order renderings begin and end, the newest is shown', async () => {
  const open: number[][] = [[]];
  let orders = 0;
  for (let choices = open.pop(); choices !== undefined; choices = open.pop()) {
    const { chat, steps } = await play(choices);
    if (steps === 0) {
      orders += 1;
      assert.equal(chat.shown, 'three', choices.join(' '));
    }
    for (let choice = 0; choice < steps; choice++) {
      open.push([...choices, choice]);
    }
  }
  assert.ok(orders > 100, String(orders));
});

test('nothing is rendered again while the newest is shown', async () => {
  const { chat } = await play([1, 0, 1, 0, 1, 0, 1, 0, 0]);
  assert.equal(chat.shown, 'three');
  assert.equal(chat.mentions, undefined);
});

test('renderings of messages that come later are watched', async () => {
  const chat = new Chat();
  chat.messages.pop();
  keepNewest(chat as unknown as IChatModel);
  chat.messages.push(chat);
  chat.messagesUpdated.emit();
  const [older] = chat.renderings;
  chat.update({ body: 'two' });
  chat.renderings[1]?.();
  await Promise.resolve();
  older?.();
  await Promise.resolve();
  assert.equal(chat.shown, 'one');
  chat.renderings[0]?.();
  assert.equal(chat.shown, 'two');
  const message = chat as unknown as IMessage;
  assert.deepEqual(message.mentions, []);
});
