import assert from 'node:assert/strict';
import test from 'node:test';

import { Registry } from '../src/registry';
import { elementsFor } from '../src/replies/lines';
import { MARKS, usageOf } from '../src/replies/words';
import { openTurns } from '../src/turns';

const turn = { turn: 't', persona: 'p', message: 'm', person: 'ada' };

test('open turns are read from what the server announces; anything else is left out', () => {
  assert.deepEqual(
    openTurns([
      { user: { username: 'bob' } },
      { jupyter_ai_personas: { live: 1 } },
      { jupyter_ai_personas: { turns: [turn, { turn: 1 }, null, 'x'] } },
      { jupyter_ai_personas: null }
    ]),
    [turn]
  );
  assert.deepEqual(openTurns([]), []);
});

test('usage names the model, seconds and tokens, as far as they are known', () => {
  const usage = (fields: object): string =>
    usageOf({ metadata: { jupyter_ai_personas: { usage: fields } } });
  assert.equal(
    usage({ model: 'openai:gpt-5', seconds: 3.24, total_tokens: 1234 }),
    'openai:gpt-5 · 3.2 s · 1,234 tokens'
  );
  assert.equal(usage({ input_tokens: 1, output_tokens: 2 }), '3 tokens');
  assert.equal(usage({ total_tokens: 1 }), '1 token');
  assert.equal(usage({ model: 5, seconds: 'x' }), '');
  assert.equal(usageOf({}), '');
});

test('each state that needs a person has a word and a sign of its own', () => {
  const marks = Object.values(MARKS).filter(mark => mark !== null);
  assert.equal(new Set(marks.map(mark => mark.word)).size, 5);
  assert.equal(new Set(marks.map(mark => mark.sign)).size, 5);
});

test('entries have an order and a name of their own, and can be taken back', () => {
  const registry = new Registry<{ id: string; rank?: number }>(one => one.id);
  let changes = 0;
  registry.changed.connect(() => {
    changes += 1;
  });
  registry.add({ id: 'last' });
  const second = registry.add({ id: 'second', rank: 2 });
  registry.add({ id: 'first', rank: 1 });
  const ids = (): string[] => registry.entries.map(one => one.id);
  assert.deepEqual(ids(), ['first', 'second', 'last']);
  assert.throws(() => registry.add({ id: 'first' }), /"first" is there already/);
  second.dispose();
  second.dispose();
  assert.deepEqual(ids(), ['first', 'last']);
  assert.equal(changes, 4);
});

test('lines of a diff are new, gone or neither; names of files are neither', () => {
  const kinds = (...lines: string[]): string => elementsFor(lines).join(' ');
  assert.equal(
    kinds('--- a', '+++ a', '@@ -1 +1 @@', '-old', '+new', ' same'),
    'span span span del ins span'
  );
  // A second file; what was taken out began with two signs itself.
  assert.equal(kinds('@@ -1 +1 @@', '--- x', '--- b', '+++ b', '@@ -1 +1 @@'), 'span del span span span');
  assert.equal(kinds('-old', '+new'), 'del ins');
});
