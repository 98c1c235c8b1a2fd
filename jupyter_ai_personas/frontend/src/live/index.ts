/** Replies that grow, shown live: only what is new is sent, and only the last block rendered. */
import { IChatTracker } from '@jupyter/chat';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IThemeManager } from '@jupyterlab/apputils';
import { IRenderMimeRegistry, type IRenderMime } from '@jupyterlab/rendermime';
import { Widget } from '@lumino/widgets';

import { eachChat } from '../chats';
import { follow, type IGrowing } from './follow';
import { keepNewest } from './newest';
import { LiveText, type RenderBlock } from './text';
import { Toolbars } from './toolbars';

const MIME_TYPE = 'application/vnd.jupyter-ai-personas.live';
const MARKDOWN = 'text/markdown';
const RENDERED = '.jp-chat-rendered-message';

/** One reply while it grows. */
class Growing implements IGrowing {
  constructor(
    private readonly text: LiveText,
    private readonly replaced: (shown: Growing) => void
  ) {}

  readonly key = String(Growing.count++);
  readonly mimeModel = { data: { [MIME_TYPE]: this.key } };

  get node(): HTMLElement {
    return this.text.node;
  }

  set(text: string): void {
    this.text.set(text);
  }

  end(): void {
    const place = this.node.closest(RENDERED);
    if (place === null) {
      this.replaced(this);
      return;
    }
    // The chat puts its own rendering in the place of ours before the next frame.
    const observer = new MutationObserver(() => {
      if (!this.node.isConnected) {
        observer.disconnect();
        this.replaced(this);
      }
    });
    observer.observe(place, { childList: true });
  }

  private static count = 0;
}

/** What the chat creates for a message with our `mime_model`. */
class LiveRenderer extends Widget implements IRenderMime.IRenderer {
  constructor(private readonly growing: ReadonlyMap<string, Growing>) {
    super();
    this.addClass('jp-AiPersonas-live');
  }

  renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const shown = this.growing.get(model.data[MIME_TYPE] as string);
    if (shown !== undefined) {
      // The same node, wherever the chat shows it: what is rendered already stays.
      this.node.append(shown.node);
    }
    // Wait for no text, so that renderings end in the order in which they begin.
    return Promise.resolve();
  }
}

/** Render blocks as the chat renders bodies, with JupyterLab's parser and sanitizer. */
function blockRenderer(rendermime: IRenderMimeRegistry): RenderBlock {
  return async source => {
    const renderer = rendermime.createRenderer(MARKDOWN);
    await renderer.renderModel(rendermime.createModel({ data: { [MARKDOWN]: source } }));
    if (/\$|\\\(|\\\[|\\begin/.test(source)) {
      // Before it is shown, so that formulas do not flicker.
      await rendermime.latexTypesetter?.typeset(renderer.node);
    }
    const nodes = Array.from(renderer.node.childNodes);
    renderer.node.replaceChildren();
    renderer.dispose();
    return nodes;
  };
}

export const livePlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-ai-personas:live',
  description: 'Shows replies live while they grow.',
  autoStart: true,
  requires: [IChatTracker, IRenderMimeRegistry],
  optional: [IThemeManager],
  activate: (
    _app: JupyterFrontEnd,
    chats: IChatTracker,
    rendermime: IRenderMimeRegistry,
    themes: IThemeManager | null
  ): void => {
    const growing = new Map<string, Growing>();
    rendermime.addFactory({
      safe: true,
      mimeTypes: [MIME_TYPE],
      createRenderer: () => new LiveRenderer(growing)
    });
    const render = blockRenderer(rendermime);

    eachChat(chats, ({ model }) => {
      const begin = (): IGrowing => {
        const toolbars = new Toolbars(model, themes);
        const text = new LiveText(render, nodes => {
          toolbars.add(nodes);
        });
        const shown = new Growing(text, each => {
          growing.delete(each.key);
          toolbars.dispose();
        });
        growing.set(shown.key, shown);
        return shown;
      };
      model.disposed.connect(follow(model, begin));
      keepNewest(model);
    });
  }
};
