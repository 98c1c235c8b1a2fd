import assert from 'node:assert/strict';
import test from 'node:test';

import type { IChatModel } from '@jupyter/chat';
import { Signal } from '@lumino/signaling';

import { announce } from '../src/awareness';
import { follow, type IGrowing } from '../src/live/follow';

/** A shared text, as far as it is read. */
class Text {
  constructor(
    public text: string,
    public parent: unknown = null
  ) {}
  toString(): string {
    return this.text;
  }
}

type Fields = Record<string, unknown>;

class Chat {
  readonly maps: Map<string, unknown>[] = [];
  readonly messages: { id: string; metadata: Fields; content: Fields; update(f: Fields): void }[] = [];
  readonly messagesUpdated = new Signal<this, void>(this);
  state: Fields = { user: 'ada' };
  listeners = new Set<(events: { target: unknown }[]) => void>();

  readonly sharedModel = {
    ydoc: {
      getArray: () => ({
        toArray: () => this.maps,
        observeDeep: (f: (events: { target: unknown }[]) => void) => this.listeners.add(f),
        unobserveDeep: (f: (events: { target: unknown }[]) => void) => this.listeners.delete(f)
      })
    },
    awareness: {
      getLocalState: () => this.state,
      setLocalStateField: (field: string, value: unknown) => {
        this.state = { ...this.state, [field]: value };
      }
    }
  };

  get model(): IChatModel {
    return this as unknown as IChatModel;
  }

  insert(id: string, body: string | Text, state: string): Map<string, unknown> {
    const metadata = { jupyter_ai_personas: { turn: 't', reply_to: 'q', state } };
    const map = new Map<string, unknown>([
      ['id', id],
      ['body', body],
      ['metadata', metadata]
    ]);
    if (body instanceof Text) {
      body.parent = map;
    }
    this.maps.push(map);
    const message = {
      id,
      metadata,
      content: { body: String(body) } as Fields,
      update: (fields: Fields) => {
        message.content = { ...message.content, ...fields };
      }
    };
    this.messages.push(message);
    this.messagesUpdated.emit();
    return map;
  }

  change(map: Map<string, unknown>, fields: Fields): void {
    for (const [key, value] of Object.entries(fields)) {
      map.set(key, value);
      // The chat's own model comes first.
      this.messages.find(each => each.id === map.get('id'))?.update({ [key]: value });
    }
    this.tell(map);
  }

  tell(target: unknown): void {
    this.listeners.forEach(listener => {
      listener([{ target }]);
    });
  }
}

class Shown implements IGrowing {
  readonly mimeModel = { data: { live: '' } };
  texts: string[] = [];
  ended = false;
  set(text: string): void {
    this.texts.push(text);
  }
  end(): void {
    this.ended = true;
  }
}

function stage(): { chat: Chat; shown: Shown[]; stop: () => void } {
  const chat = new Chat();
  const shown: Shown[] = [];
  const stop = follow(chat.model, () => {
    const each = new Shown();
    shown.push(each);
    return each;
  });
  return { chat, shown, stop };
}

const state = (value: string): Fields => ({
  metadata: { jupyter_ai_personas: { turn: 't', reply_to: 'q', state: value } }
});

test('support is announced beside what is announced already', () => {
  const { chat } = stage();
  announce(chat.sharedModel.awareness, { notebook: 'a.ipynb', cell: undefined });
  assert.deepEqual(chat.state, {
    user: 'ada',
    jupyter_ai_personas: { live: 1, notebook: 'a.ipynb' }
  });
});

test('a reply is shown while it grows, and the chat shows it at the end', () => {
  const { chat, shown } = stage();
  const text = new Text('one');
  const map = chat.insert('r', text, 'streaming');
  const [reply] = shown;
  assert.equal(chat.messages[0]?.content.mime_model, reply?.mimeModel);
  text.text = 'one two';
  chat.tell(text);
  chat.change(map, { body: 'one two.', ...state('done') });
  assert.deepEqual(reply?.texts, ['one', 'one two', 'one two.']);
  assert.ok(reply.ended);
  assert.deepEqual(chat.messages[0]?.content, {
    body: 'one two.',
    mime_model: undefined,
    ...state('done')
  });
});

test('a reply that ended while the chat was loaded is shown whole', () => {
  const { chat, shown } = stage();
  const map = chat.insert('r', 'one', 'done');
  const [message] = chat.messages;
  Object.assign(message ?? {}, state('streaming'));
  map.set('body', 'one two');
  chat.messagesUpdated.emit();
  assert.deepEqual(message?.content, { body: 'one two', mime_model: undefined, ...state('done') });
  assert.deepEqual(shown, []);
});

test('a renderer for finished messages that was chosen at the end stays', () => {
  const { chat } = stage();
  const map = chat.insert('r', new Text('one'), 'streaming');
  chat.change(map, { mime_model: 'theirs', ...state('done') });
  assert.equal(chat.messages[0]?.content.mime_model, 'theirs');
});

test('a body that becomes a string, and a shared text again, is shown by the same', () => {
  const { chat, shown } = stage();
  const map = chat.insert('r', new Text('one'), 'streaming');
  chat.change(map, { body: 'one two' });
  chat.change(map, { body: new Text('one two three', map) });
  assert.equal(shown.length, 1);
  assert.deepEqual(shown[0]?.texts, ['one', 'one two', 'one two three']);
  assert.equal(typeof chat.messages[0]?.content.body, 'string');
});

test('a reply that is deleted while it grows is shown no longer', () => {
  const { chat, shown } = stage();
  chat.change(chat.insert('r', new Text('one'), 'waiting'), { body: '', deleted: true });
  assert.ok(shown[0]?.ended);
  assert.equal(chat.messages[0]?.content.mime_model, undefined);
});

test('what people write, and finished replies, are left to the chat', () => {
  const { chat, shown } = stage();
  const map = chat.insert('r', 'one', 'done');
  chat.insert('q', 'hi', '');
  chat.change(map, { body: 'edited' });
  assert.deepEqual(shown, []);
});

test('nothing is followed after the end, or without a shared document', () => {
  const { chat, shown, stop } = stage();
  chat.insert('r', new Text('one'), 'streaming');
  stop();
  assert.equal(chat.listeners.size, 0);
  assert.ok(shown[0]?.ended);
  follow({ ...chat.model, sharedModel: undefined } as unknown as IChatModel, () => new Shown())();
});
