import assert from 'node:assert/strict';
import test from 'node:test';

import { mayDecide, questionOf, whoDecides, type IApproval } from '../src/approvals/approval';

const KEY = 'jupyter_ai_personas';

function approval(...mayDecideNames: string[]): IApproval {
  return {
    id: 'a',
    tool: 'kernel.run',
    asked_by: 'u-ada',
    may_decide: mayDecideNames,
    expires: 1_800_000_000
  };
}

test('a message that asks is split into the request and its end', () => {
  const body = '**Bee** wants to run `x`.\n\n```python\na\n\nb\n```\n\nAnyone may decide.';
  assert.deepEqual(questionOf({ body, metadata: { [KEY]: { approval: 'a', turn: 't' } } }), {
    id: 'a',
    request: '**Bee** wants to run `x`.\n\n```python\na\n\nb\n```',
    end: 'Anyone may decide.',
    isOpen: true
  });
});

test('a decided one is open no more', () => {
  const decided = { approval: 'a', turn: 't', decision: 'denied' };
  const question = questionOf({ body: 'x\n\n*Denied.*', metadata: { [KEY]: decided } });
  assert.equal(question?.isOpen, false);
  assert.equal(question.end, '*Denied.*');
});

test('other messages ask for nothing', () => {
  for (const ours of [undefined, null, {}, { approval: 1 }, { turn: 't', state: 'done' }]) {
    assert.equal(questionOf({ body: 'x', metadata: { [KEY]: ours } }), null);
  }
  assert.equal(questionOf({ body: 'x' }), null);
});

test('a body of one paragraph loses nothing', () => {
  const question = questionOf({ body: 'one', metadata: { [KEY]: { approval: 'a' } } });
  assert.equal(question?.request, '');
  assert.equal(question.end, 'one');
});

test('anyone, the asker or named users may decide', () => {
  assert.ok(mayDecide(approval('anyone'), 'u-bob'));
  assert.ok(mayDecide(approval('asker'), 'u-ada'));
  assert.ok(!mayDecide(approval('asker'), 'u-bob'));
  assert.ok(mayDecide(approval('asker', 'u-bob'), 'u-bob'));
  assert.ok(!mayDecide(approval('u-bob'), 'u-ada'));
  assert.ok(!mayDecide(approval(), 'u-ada'));
  assert.ok(!mayDecide(approval('asker', 'u-bob'), undefined));
});

test('a sentence tells who may decide', () => {
  const say = (...names: string[]): string =>
    whoDecides(approval(...names), username => username.slice(2)).replace(/ until .*/, '');
  assert.equal(say('anyone'), 'Anyone here may decide');
  assert.equal(say('asker', 'u-bob', 'u-ada'), 'Ada or bob may decide');
  assert.equal(say(), 'Nobody may decide');
});
