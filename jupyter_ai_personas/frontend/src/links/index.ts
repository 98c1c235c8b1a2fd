/** Opens what links in chats lead to, in this JupyterLab and at the place that they name. */
import { IChatTracker } from '@jupyter/chat';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { PageConfig, URLExt } from '@jupyterlab/coreutils';
import type { IDocumentWidget } from '@jupyterlab/docregistry';

import { eachChat } from '../chats';
import { tellIfItFails } from '../parts/errors';
import { jump } from './jump';
import { targetOf, type ITarget } from './target';

export const linksPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-ai-personas:links',
  description: 'Opens links to lines and cells.',
  autoStart: true,
  requires: [IChatTracker],
  activate: (app: JupyterFrontEnd, chats: IChatTracker): void => {
    if (app.name !== 'JupyterLab') {
      return; // Notebook opens each document in a tab of its own.
    }
    const lab = new URL(URLExt.join(PageConfig.getBaseUrl(), 'lab'), window.location.href).href;
    const open = async ({ path, place }: ITarget): Promise<void> => {
      const opened: unknown = await app.commands.execute('docmanager:open', { path });
      if (place !== null && opened !== undefined) {
        await jump(opened as IDocumentWidget, place);
      }
    };
    eachChat(chats, panel => {
      panel.node.addEventListener('click', event => {
        const at = event.target instanceof Element ? event.target : null;
        const anchor = isPlain(event) ? at?.closest<HTMLAnchorElement>('a[href]') : null;
        const target = anchor ? targetOf(anchor.href, lab) : null;
        if (target !== null) {
          event.preventDefault();
          void tellIfItFails(open(target));
        }
      });
    });

    // JupyterLab opens the document of the page's address, and ignores the place.
    const target = targetOf(window.location.href, lab);
    if (target !== null && target.place !== null) {
      void app.restored.then(() => tellIfItFails(open(target)));
    }
  }
};

/** Whether a click asks for no new tab, window or download. */
function isPlain(event: MouseEvent): boolean {
  return event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
}
