/** The chat's buttons below blocks of code, in a reply that the chat does not render itself. */
import { CodeToolbar, JlThemeProvider, type IChatModel } from '@jupyter/chat';
import type { IThemeManager } from '@jupyterlab/apputils';
import { ReactWidget } from '@jupyterlab/ui-components';
import { MessageLoop } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import * as React from 'react';
import { createPortal } from 'react-dom';

/** All toolbars of one reply: one root, since a theme costs more than the buttons. */
export class Toolbars extends ReactWidget {
  constructor(
    private readonly model: IChatModel,
    private readonly themes: IThemeManager | null
  ) {
    super();
  }

  /** Add buttons below the blocks of code in `nodes`. */
  add(nodes: readonly Node[]): void {
    const before = this.toolbars.length;
    for (const node of nodes) {
      if (CodeToolbar === undefined || !(node instanceof Element)) {
        continue;
      }
      for (const block of node.matches('pre') ? [node] : node.querySelectorAll('pre')) {
        const place = document.createElement('div');
        block.after(place);
        // The same element each time, so that React leaves it alone.
        const toolbar = <CodeToolbar model={this.model} content={block.textContent} />;
        this.toolbars.push(createPortal(toolbar, place, String(this.toolbars.length)));
      }
    }
    if (this.toolbars.length > before) {
      MessageLoop.sendMessage(this, Widget.Msg.UpdateRequest);
    }
  }

  override dispose(): void {
    // It is never attached itself, so that nothing else unmounts it.
    MessageLoop.sendMessage(this, Widget.Msg.BeforeDetach);
    super.dispose();
  }

  protected override render(): React.JSX.Element {
    return <JlThemeProvider themeManager={this.themes}>{[...this.toolbars]}</JlThemeProvider>;
  }

  private readonly toolbars: React.ReactPortal[] = [];
}
