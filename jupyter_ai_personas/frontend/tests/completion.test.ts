import assert from 'node:assert/strict';
import test from 'node:test';

import {
  begunCommand,
  begunMention,
  begunModel,
  endsWithName,
  isHidden,
  mentionedNames
} from '../src/completion/grammar';
import { matching } from '../src/completion/matching';

const NAMES = ['Guide', 'Data-Analyst', 'Données', '数据助手', 'Данные', 'C++-Guru', '데이터'];

const found = (typed: string): string[] => matching(typed, NAMES, name => [name]);

test('names of any alphabet match, without regard to case, accents and width', () => {
  assert.deepEqual(found('gu'), ['Guide', 'C++-Guru']);
  assert.deepEqual(found('donn'), ['Données']);
  assert.deepEqual(found('DONNÉ'), ['Données']);
  assert.deepEqual(found('donne\u0301'), ['Données']);
  assert.deepEqual(found('数据'), ['数据助手']);
  assert.deepEqual(found('助'), ['数据助手']);
  assert.deepEqual(found('дан'), ['Данные']);
  assert.deepEqual(found('ㄷ'), ['데이터']);
  assert.deepEqual(found('ＧＵＩ'), ['Guide']);
  assert.deepEqual(found('zzz'), []);
  assert.deepEqual(found(''), NAMES);
});

test('what is the text comes first, then what begins with it, then words that do, then the rest', () => {
  assert.deepEqual(matching('note', ['Notes', 'Note'], name => [name]), ['Note', 'Notes']);
  const names = ['My-notes', 'Denote', 'Notes'];
  assert.deepEqual(matching('note', names, name => [name]), ['Notes', 'My-notes', 'Denote']);
});

test('a mention begins after nothing, punctuation, another mention, or a script without spaces', () => {
  for (const [word, before] of [
    ['@Gu', ''],
    ['＠Gu', ''],
    ['(@Gu', '('],
    ['hey,@Gu', 'hey,'],
    ['end.@Gu', 'end.'],
    ['@Guide@Gu', '@Guide'],
    ['@Guide/@Gu', '@Guide/'],
    ['请问@Gu', '请问']
  ] as const) {
    assert.deepEqual(begunMention(word, NAMES), { before, typed: 'Gu' }, word);
  }
});

test('no mention begins in an e-mail address, a path, a link, or after a backslash', () => {
  for (const word of [
    'ada@Gu',
    'a.b-c@Gu',
    '/@Gu',
    'src/@Gu',
    'https://host/@Gu',
    '[x](@Gu',
    '\\@Gu',
    '`@Gu',
    'é@Gu',
    '@@Gu',
    'plain'
  ]) {
    assert.equal(begunMention(word, NAMES), null, word);
  }
});

test('code and quotations mention nobody', () => {
  assert.equal(isHidden('say `'), true);
  assert.equal(isHidden('say `a` '), false);
  assert.equal(isHidden('> quoted '), true);
  assert.equal(isHidden('> quoted\n'), false);
  assert.equal(isHidden('```\ncode\n'), true);
  assert.equal(isHidden('```\ncode\n```\n'), false);
});

test('a command begins the text', () => {
  assert.equal(begunCommand('/he'), '/he');
  assert.equal(begunCommand('/'), '/');
  assert.equal(begunCommand('see /he'), null);
  assert.equal(begunCommand('/help me'), null);
});

test('models follow the name of a persona', () => {
  assert.deepEqual(begunModel('/model @Données '), { name: 'Données', typed: '' });
  assert.deepEqual(begunModel('/model @Guide open'), { name: 'Guide', typed: 'open' });
  assert.equal(begunModel('/model @Guide'), null);
  assert.equal(begunModel('/models @Guide '), null);
  assert.equal(begunModel('/model @Guide a:b '), null);
});

test('the longest name counts, and only as a whole word', () => {
  const names = ['Data', 'Data-Analyst', '数据助手'];
  assert.deepEqual([...mentionedNames('@Data-Analyst and @数据助手!', names)], [
    'Data-Analyst',
    '数据助手'
  ]);
  assert.deepEqual([...mentionedNames('@Database', names)], []);
  assert.deepEqual([...mentionedNames('@data?', names)], ['Data']);
});

test('a name or a command is whole where nothing is left to complete', () => {
  const whole = (before: string): boolean => endsWithName(before, NAMES, ['/help', '/model']);
  for (const before of ['@Guide', 'hi @数据助手', '请问@数据助手', '/help', '(@C++-Guru', '/model @Guide']) {
    assert.ok(whole(before), before);
  }
  for (const before of ['', '@Gui', '@guide', 'Guide', 'ada@Guide', '`@Guide', 'x /help', '/hel', '@Guide ']) {
    assert.ok(!whole(before), before);
  }
});
