import assert from 'node:assert/strict';
import test from 'node:test';

import { isPersona, isRunning, mayRetry, metadataOf, replyOf } from '../src/messages';

const reply = { turn: 't1', reply_to: 'm1', state: 'streaming' };

test('a reply names its turn, the message that it answers, and its state', () => {
  assert.deepEqual(replyOf({ metadata: { jupyter_ai_personas: reply } }), {
    turn: 't1',
    replyTo: 'm1',
    state: 'streaming'
  });
});

test('messages without our metadata, or with strange ones, are no replies', () => {
  assert.equal(replyOf({}), null);
  assert.equal(replyOf({ metadata: { jupyter_ai_personas: null } }), null);
  assert.equal(replyOf({ metadata: { jupyter_ai_personas: { ...reply, state: 'odd' } } }), null);
  assert.equal(replyOf({ metadata: { jupyter_ai_personas: { turn: 't1', approval: 'a' } } }), null);
  assert.deepEqual(metadataOf({ metadata: { jupyter_ai_personas: 'text' } }), {});
});

test('what waits for an approval is running, and only what did not succeed is retried', () => {
  assert.deepEqual(
    (['streaming', 'waiting', 'done', 'stopped', 'failed', 'interrupted', 'rejected'] as const).map(
      state => [isRunning(state), mayRetry(state)]
    ),
    [
      [true, false],
      [true, false],
      [false, false],
      [false, true],
      [false, true],
      [false, true],
      [false, true]
    ]
  );
});

test('the sender of answers to commands is no persona', () => {
  assert.equal(isPersona('jupyter-ai-personas::acme::Echo'), true);
  assert.equal(isPersona('jupyter-ai-personas::system'), false);
  assert.equal(isPersona('ada'), false);
});
