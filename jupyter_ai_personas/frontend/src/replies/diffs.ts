/** Shows which lines of diffs in messages are new and which are gone. */
import { IChatTracker } from '@jupyter/chat';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { eachChat } from '../chats';
import { elementsFor } from './lines';

const DIFF = 'code.language-diff';

export const diffsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-ai-personas:diffs',
  description: 'Colours the lines of diffs in messages.',
  autoStart: true,
  requires: [IChatTracker],
  activate: (_app: JupyterFrontEnd, chats: IChatTracker): void => {
    eachChat(chats, panel => {
      const observer = new MutationObserver(records => {
        for (const { addedNodes } of records) {
          addedNodes.forEach(colour);
        }
      });
      observer.observe(panel.node, { childList: true, subtree: true });
      colour(panel.node);
      panel.disposed.connect(() => {
        observer.disconnect();
      });
    });
  }
};

/** Mark the lines of all diffs in a node; their text stays as it is. */
function colour(node: Node): void {
  if (!(node instanceof HTMLElement)) {
    return;
  }
  for (const code of node.querySelectorAll(DIFF)) {
    const lines = code.textContent.match(/.*\n|.+$/g) ?? [];
    const names = elementsFor(lines);
    code.replaceChildren(
      ...lines.map((line, at) => {
        const element = document.createElement(names[at] ?? 'span');
        element.textContent = line;
        return element;
      })
    );
  }
}
