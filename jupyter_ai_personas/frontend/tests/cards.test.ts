import assert from 'node:assert/strict';
import test from 'node:test';

import type { IModelProvider, IPersona } from '../src/api';
import { mayVote, votesOf } from '../src/feedback/votes';
import { hasFailed, questionFor, whomToAsk } from '../src/notebook/question';
import { chosenModel, isFirstRun, offered } from '../src/panel/choices';

const KEY = 'jupyter_ai_personas';

test('votes are counted, and a person finds their own', () => {
  const feedback = { up: 2, down: 1, votes: { ada: 1, bob: -1, eve: 1 } };
  const message = { metadata: { [KEY]: { feedback } } };
  assert.deepEqual(votesOf(message, 'ada'), { up: 2, down: 1, mine: 1 });
  assert.deepEqual(votesOf(message, 'bob'), { up: 2, down: 1, mine: -1 });
  assert.deepEqual(votesOf(message, 'zoe'), { up: 2, down: 1, mine: 0 });
  assert.deepEqual(votesOf(message, undefined), { up: 2, down: 1, mine: 0 });
});

test('what is no vote counts as none', () => {
  for (const feedback of [undefined, null, {}, 'x', { up: 'x', down: -1, votes: { ada: 5 } }]) {
    const votes = votesOf({ metadata: { [KEY]: { feedback } } }, 'ada');
    assert.deepEqual(votes, { up: 0, down: 0, mine: 0 });
  }
});

test('people vote on replies that have ended with an answer', () => {
  const reply = (state: 'done' | 'stopped' | 'streaming' | 'rejected'): boolean =>
    mayVote({ turn: 't', replyTo: 'm', state });
  assert.ok(reply('done') && reply('stopped'));
  assert.ok(!reply('streaming') && !reply('rejected') && !mayVote(null));
});

function provider(id: string, fields: Partial<IModelProvider> = {}): IModelProvider {
  return { id, name: id, models: ['m'], chat: true, available: true, problem: null, ...fields };
}

test('models that can answer in chats are offered', () => {
  assert.deepEqual(
    offered(persona('a', 'A'), [
      provider('openai', { name: 'OpenAI', models: ['gpt', 'mini'] }),
      provider('magics', { chat: false }),
      provider('keyed', { available: false }),
      provider('any', { models: [] })
    ]),
    [
      [
        'OpenAI',
        [
          { value: 'openai:gpt', label: 'openai:gpt' },
          { value: 'openai:mini', label: 'openai:mini' }
        ]
      ]
    ]
  );
});

test('a persona with models of its own is offered these, and none of providers', () => {
  const claude = persona('c', 'Claude');
  const own = [{ id: 'opus-5', name: 'Opus' }];
  assert.deepEqual(offered({ ...claude, own_models: own }, [provider('openai')]), [
    [claude.name, [{ value: 'opus-5', label: 'Opus' }]]
  ]);
  assert.deepEqual(offered({ ...claude, own_models: [] }, [provider('openai')]), []);
});

test('without any model but the search, it is the first run', () => {
  assert.ok(isFirstRun(['workspace:search', null]));
  assert.ok(!isFirstRun(['workspace:search', 'openai:gpt']));
  assert.ok(!isFirstRun([null]));
  assert.ok(!isFirstRun([]));
});

test('the model of a chat is read from its settings', () => {
  const chosen = (value: unknown): string | null =>
    chosenModel(
      { get: () => value, observeDeep: () => undefined, unobserveDeep: () => undefined },
      'p'
    );
  assert.equal(chosen({ models: { p: 'openai:gpt' } }), 'openai:gpt');
  for (const value of [undefined, null, {}, { models: null }, { models: { q: 'x', p: 1 } }]) {
    assert.equal(chosen(value), null);
  }
  assert.equal(chosenModel(undefined, 'p'), null);
});

function persona(id: string | null, mentionName: string | null): IPersona {
  return {
    id,
    name: id ?? 'broken',
    mention_name: mentionName,
    description: '',
    avatar_url: null,
    model: null,
    tools: [],
    source: '',
    status: id === null ? 'broken' : 'ready',
    problem: null
  };
}

test('the persona that wrote last is asked, else the first that can answer', () => {
  const all = [persona(null, null), persona('guide', 'Guide'), persona('bee', 'Bee')];
  const by = (...senders: string[]): Parameters<typeof whomToAsk>[1] =>
    senders.map(username => ({ sender: { username } })) as Parameters<typeof whomToAsk>[1];
  assert.equal(whomToAsk(all, by('ada'))?.id, 'guide');
  assert.equal(whomToAsk(all, by('guide', 'bee', 'ada'))?.id, 'bee');
  assert.equal(whomToAsk([persona(null, null)], by('ada')), undefined);
});

test('the question names the persona, and asks why a cell failed', () => {
  assert.equal(questionFor(persona('bee', 'Bee'), true), '@Bee Why does this cell fail?');
  assert.equal(questionFor(persona('bee', 'Bee'), false), '@Bee ');
  assert.equal(questionFor(undefined, false), '@');
});

test('a cell has failed if an output is an error', () => {
  const cell = (json: object): Parameters<typeof hasFailed>[0] =>
    ({ toJSON: () => json }) as unknown as Parameters<typeof hasFailed>[0];
  assert.ok(hasFailed(cell({ outputs: [{ output_type: 'stream' }, { output_type: 'error' }] })));
  assert.ok(!hasFailed(cell({ outputs: [{ output_type: 'stream' }] })));
  assert.ok(!hasFailed(cell({ cell_type: 'markdown' })));
});
