/** Keeps sections open that a person opened, when a message is drawn anew. */
import { IChatTracker } from '@jupyter/chat';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { eachChat } from '../chats';

const BODY = '.jp-chat-rendered-message';

export const detailsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-ai-personas:details',
  description: 'Keeps opened sections of messages open.',
  autoStart: true,
  requires: [IChatTracker],
  activate: (_app: JupyterFrontEnd, chats: IChatTracker): void => {
    eachChat(chats, panel => {
      const kept = new KeptDetails(panel.node);
      panel.disposed.connect(() => {
        kept.disconnect();
      });
    });
  }
};

/** The `<details>` of the messages in an element; those that a person turned stay as they are. */
class KeptDetails {
  constructor(node: HTMLElement) {
    // A click on the summary, or a key on it, which the browser makes a click.
    node.addEventListener('click', event => {
      const summary = event.target instanceof Element ? event.target.closest('summary') : null;
      if (summary?.parentElement instanceof HTMLDetailsElement) {
        this.turned.add(summary.parentElement);
      }
    });
    this.observer.observe(node, { childList: true, subtree: true });
  }

  disconnect(): void {
    this.observer.disconnect();
  }

  private readonly observer = new MutationObserver(records => {
    let removed: HTMLDetailsElement[] = [];
    for (const { target, removedNodes, addedNodes } of records) {
      if (target instanceof Element && target.closest(BODY) !== null) {
        removed.push(...detailsIn(removedNodes));
        const added = detailsIn(addedNodes);
        if (added.length > 0) {
          this.carryOver(removed, added);
          removed = [];
        }
      }
    }
  });

  private carryOver(before: HTMLDetailsElement[], after: HTMLDetailsElement[]): void {
    const states = new Map<string, boolean>();
    keyed(before, (key, details) => {
      if (this.turned.has(details)) {
        states.set(key, details.open);
      }
    });
    keyed(after, (key, details) => {
      const open = states.get(key);
      if (open !== undefined) {
        details.open = open;
        this.turned.add(details);
      }
    });
  }

  private readonly turned = new WeakSet<HTMLDetailsElement>();
}

/** Call `visit` for each, with a key that stays the same when there is more text. */
function keyed(
  all: HTMLDetailsElement[],
  visit: (key: string, details: HTMLDetailsElement) => void
): void {
  const counts = new Map<string, number>();
  for (const details of all) {
    const summary = details.querySelector('summary')?.textContent.trim() ?? '';
    const count = counts.get(summary) ?? 0;
    counts.set(summary, count + 1);
    visit(`${count} ${summary}`, details);
  }
}

function detailsIn(nodes: NodeList): HTMLDetailsElement[] {
  return [...nodes]
    .flatMap(node => (node instanceof Element ? [node, ...node.querySelectorAll('details')] : []))
    .filter(node => node instanceof HTMLDetailsElement);
}
