import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ServerConnection } from '@jupyterlab/services';

import { Api } from '../src/api';

test('what is put arrives in order, also after a refusal', async () => {
  const answers: ((status: number) => void)[] = [];
  const sent: unknown[] = [];
  const settings = ServerConnection.makeSettings({
    baseUrl: 'http://localhost/',
    fetch: async request => {
      sent.push(await (request as Request).json());
      const status = await new Promise<number>(resolve => answers.push(resolve));
      return new Response('{}', { status, statusText: 'Refused' });
    }
  });
  const api = new Api(settings);
  const refused = assert.rejects(api.put('models', {}, { model: 'small' }), /Refused/);
  const taken = api.put('models', {}, { model: 'large' });
  for (const status of [400, 200]) {
    while (answers.length === 0) {
      await new Promise(setImmediate);
    }
    answers.pop()?.(status);
    assert.equal(sent.length, status === 400 ? 1 : 2);
  }
  await refused;
  await taken;
  assert.deepEqual(sent, [{ model: 'small' }, { model: 'large' }]);
});
