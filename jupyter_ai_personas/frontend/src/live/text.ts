/** Shows a Markdown text that grows; each change renders only its last block anew. */
import { cut, definitions, isPlain } from './blocks';

/** Renders one block of Markdown. */
export type RenderBlock = (source: string) => Promise<Node[]>;

export class LiveText {
  /** `settled` is called with the nodes of blocks that are finished, when they are shown. */
  constructor(
    private readonly render: RenderBlock,
    private readonly settled: (nodes: readonly Node[]) => void = () => undefined
  ) {
    this.node.className = 'jp-RenderedHTMLCommon jp-RenderedMarkdown';
    this.node.dataset.mimeType = 'text/markdown';
  }

  /** Where the text is shown. */
  readonly node = document.createElement('div');

  /** Show `text`, in place of what was set before. */
  set(text: string): void {
    this.text = text;
    if (!this.isBusy) {
      this.isBusy = true;
      void this.catchUp().finally(() => {
        this.isBusy = false;
      });
    }
  }

  private async catchUp(): Promise<void> {
    // Text that comes while a block is rendered is shown together afterwards.
    for (let text = this.text; text !== this.current; text = this.text) {
      await this.show(text);
      this.current = text;
    }
  }

  private async show(text: string): Promise<void> {
    if (!text.startsWith(this.done)) {
      this.node.replaceChildren();
      [this.done, this.tail, this.tailSource, this.links] = ['', [], '', ''];
    }
    const { finished, rest } = cut(text.slice(this.done.length));
    if (finished.length > 0) {
      // Together: a renderer costs more than a block.
      const blocks = finished.join('');
      await this.showTail(blocks);
      this.settled(this.tail);
      this.links += definitions(blocks);
      this.done += blocks;
      [this.tail, this.tailSource] = [[], ''];
    }
    await this.showTail(rest);
  }

  private async showTail(source: string): Promise<void> {
    if (source === this.tailSource || this.lengthen(source)) {
      return;
    }
    const nodes = source.trim() === '' ? [] : await this.render(source + '\n' + this.links);
    this.tail.forEach(node => {
      node.parentNode?.removeChild(node);
    });
    this.node.append(...nodes);
    [this.tail, this.tailSource] = [nodes, source];
  }

  /** Add what is new to a paragraph of plain words; return whether it is one. */
  private lengthen(source: string): boolean {
    const paragraph = this.tail[0];
    const words = paragraph?.firstChild;
    if (
      !(words instanceof Text) ||
      paragraph?.childNodes.length !== 1 ||
      !source.startsWith(words.data) ||
      !isPlain(source)
    ) {
      return false;
    }
    words.appendData(source.slice(words.length));
    this.tailSource = source;
    return true;
  }

  private text = '';
  private current = '';
  private done = '';
  private tail: Node[] = [];
  private tailSource = '';
  private links = '';
  private isBusy = false;
}
