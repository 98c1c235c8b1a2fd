import assert from 'node:assert/strict';
import test from 'node:test';

import { cut, definitions, isPlain } from '../src/live/blocks';

const cases: [string, string[]][] = [
  ['one', ['one']],
  ['one\n\n', ['one\n\n']],
  ['one\n\ntwo', ['one\n\n', 'two']],
  ['one\ntwo\n\nthree\n\n\nfour', ['one\ntwo\n\n', 'three\n\n\n', 'four']],
  ['# Title\n\ntext', ['# Title\n\n', 'text']],
  // Code.
  ['```py\na\n\nb\n```\n\ntext', ['```py\na\n\nb\n```\n\n', 'text']],
  ['~~~~\n~~~\n\n```\n\n~~~~\n\ntext', ['~~~~\n~~~\n\n```\n\n~~~~\n\n', 'text']],
  ['````\n```\n\na\n````\n\ntext', ['````\n```\n\na\n````\n\n', 'text']],
  ['```\nopen\n\nstill', ['```\nopen\n\nstill']],
  ['``` not `a fence`\n\ntext', ['``` not `a fence`\n\n', 'text']],
  ['a\n\n    code\n\n    more\n\ntext', ['a\n\n    code\n\n    more\n\n', 'text']],
  // Lists.
  ['- a\n\n- b\n\ntext', ['- a\n\n- b\n\n', 'text']],
  ['1. a\n\n   more\n\n2. b\n\ntext', ['1. a\n\n   more\n\n2. b\n\n', 'text']],
  ['So:\n- a\n\n- b', ['So:\n- a\n\n- b']],
  ['- a\n\n-', ['- a\n\n-']],
  ['1. a\n\n2', ['1. a\n\n2']],
  ['1. a\n\n2024 was', ['1. a\n\n', '2024 was']],
  ['- a\n\n**bold**', ['- a\n\n', '**bold**']],
  ['- ```\n  a\n\n  b\n  ```\n\ntext', ['- ```\n  a\n\n  b\n  ```\n\n', 'text']],
  ['text\n\n- a', ['text\n\n', '- a']],
  // Quotes.
  ['> a\n\n> b', ['> a\n\n', '> b']],
  ['> ```\n> a\n> ```\n\ntext', ['> ```\n> a\n> ```\n\n', 'text']],
  // HTML.
  [
    '<details><summary>s</summary>\n\n**a**\n\n</details>\n\ntext',
    ['<details><summary>s</summary>\n\n**a**\n\n</details>\n\n', 'text']
  ],
  ['<div>\n\n<div>\n\na\n\n</div>\n\nb\n\n</div>\n\nc', ['<div>\n\n<div>\n\na\n\n</div>\n\nb\n\n</div>\n\n', 'c']],
  ['Use `<div>` here\n\ntext', ['Use `<div>` here\n\n', 'text']],
  ['a <br> b\n\ntext', ['a <br> b\n\n', 'text']],
  ['<!-- a\n\nb -->\n\ntext', ['<!-- a\n\nb -->\n\n', 'text']],
  // Formulas.
  ['$$\na\n\nb\n$$\n\ntext', ['$$\na\n\nb\n$$\n\n', 'text']],
  // Tables.
  ['|a|\n|-|\n|b|\n\ntext', ['|a|\n|-|\n|b|\n\n', 'text']]
];

for (const [text, blocks] of cases) {
  test(`blocks of ${JSON.stringify(text)}`, () => {
    const { finished, rest } = cut(text);
    assert.deepEqual([...finished, rest], blocks);
  });
}

test('what was cut off never changes, wherever the text is cut off while it grows', () => {
  const parts = cases.map(([text]) => text);
  for (let seed = 1; seed < 200; seed++) {
    let state = seed;
    const random = (below: number): number => {
      state = (state * 48271) % 2147483647;
      return state % below;
    };
    const text = Array.from({ length: 5 }, () => parts[random(parts.length)]).join(
      ['\n\n', '\n', ' '][random(3)]
    );
    const whole = cut(text);
    let [done, begun]: [string[], string] = [[], ''];
    for (let at = 0; at <= text.length; at += 1 + random(4)) {
      const { finished, rest } = cut(text.slice(begun.length, at));
      done = [...done, ...finished];
      begun = done.join('');
      assert.equal(begun + rest, text.slice(0, at));
      assert.deepEqual(done, whole.finished.slice(0, done.length));
    }
  }
});

test('a long text is cut in time that grows with its length', () => {
  const { finished } = cut('word '.repeat(20).concat('\n\n').repeat(20_000));
  assert.equal(finished.length, 19_999);
});

test('link definitions are kept for later blocks', () => {
  assert.equal(definitions('a [b]\n\n[b]: https://x.example\n'), '\n[b]: https://x.example');
  assert.equal(definitions('[b] is no definition'), '');
});

test('only words and harmless signs are plain', () => {
  for (const text of ['one two', '0001 0002 ', 'Größe, (it is) "so"!', '你好 world', '“quoted”']) {
    assert.ok(isPlain(text), text);
  }
  for (const text of [
    '', ' a', '- a', '1. a', '2)', '# a', '> a', '*a*', 'a `b`', 'a_b_', 'a [b]', 'a & b', 'a <b>', '$a$',
    'x: y', 'www.a.b', 'see www.a.b', 'a@b.c', 'a\nb', '~~a', 'a \\ b', '| a'
  ]) {
    assert.ok(!isPlain(text), text);
  }
});
