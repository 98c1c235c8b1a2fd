/** Shows approvals as cards with buttons. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import * as React from 'react';

import { Api } from '../api';
import { IPersonas } from '../tokens';
import { questionOf } from './approval';
import { ApprovalCard } from './card';

export const approvalsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-ai-personas:approvals',
  description: 'Shows approvals as cards with buttons.',
  autoStart: true,
  requires: [IPersonas, IRenderMimeRegistry],
  activate: (_app: JupyterFrontEnd, personas: IPersonas, mime: IRenderMimeRegistry): void => {
    const api = new Api();
    personas.renderers.add({
      id: 'approval',
      accepts: message => questionOf(message) !== null,
      component: props => <ApprovalCard {...props} api={api} mime={mime} />
    });
  }
};
