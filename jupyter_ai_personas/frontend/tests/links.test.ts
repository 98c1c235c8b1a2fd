import assert from 'node:assert/strict';
import test from 'node:test';

import { targetOf } from '../src/links/target';

const LAB = 'http://host/user/ada/lab';

test('a link to a document names its path and place', () => {
  const at = (rest: string): unknown => targetOf(LAB + rest, LAB);
  assert.deepEqual(at('/tree/a.py'), { path: 'a.py', place: null });
  assert.deepEqual(at('/tree/a%20b/%C3%A9.py#line=12'), { path: 'a b/é.py', place: { line: 12 } });
  assert.deepEqual(at('/tree/a.py?reset#line=3,5'), { path: 'a.py', place: { line: 3 } });
  assert.deepEqual(at('/tree/n.ipynb#cell-id=a%2Fb'), { path: 'n.ipynb', place: { cell: 'a/b' } });
  assert.deepEqual(at('/workspaces/w/tree/a.py#line=1'), { path: 'a.py', place: { line: 1 } });
});

test('a place that is none is left out', () => {
  for (const hash of ['#line=0', '#line=-1', '#line=x', '#line=', '#cell-id=', '#Heading', '#']) {
    assert.deepEqual(targetOf(`${LAB}/tree/a.py${hash}`, LAB), { path: 'a.py', place: null }, hash);
  }
});

test('other addresses are none of ours', () => {
  for (const url of [
    'http://elsewhere/user/ada/lab/tree/a.py',
    'https://host/user/ada/lab/tree/a.py',
    'http://host/user/bob/lab/tree/a.py',
    'http://host/user/ada/laboratory/tree/a.py',
    'http://host/user/ada/lab/tree/',
    'http://host/user/ada/lab/treetop/a.py',
    'http://host/user/ada/api/ai/help/start#line=1',
    'http://host/user/ada/lab/tree/%E0%A4%A',
    'mailto:ada@host',
    'http://',
    ''
  ]) {
    assert.equal(targetOf(url, LAB), null, url);
  }
});
