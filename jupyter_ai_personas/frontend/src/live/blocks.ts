/**
 * Cuts a growing Markdown text into blocks, so that only the last one is rendered again.
 *
 * A cut is made only where what follows cannot change how the text before is rendered. Where in
 * doubt, the block goes on.
 */

/** HTML elements that may hold blank lines and Markdown. */
const HTML =
  'article|aside|blockquote|center|details|dd|div|dl|dt|figure|footer|header|li|main|nav|ol|pre|' +
  'script|section|style|table|tbody|td|textarea|tfoot|th|thead|tr|ul';
const TAG = new RegExp(`<(/?)(?:${HTML})(?=[\\s/>])[^>]*?(/?)>`, 'gi');
const CODE_SPAN = /(`+)(?!`)[^]*?[^`]\1(?!`)/g;
const MARKERS = '(?:\\s|>|[-*+]\\s|\\d{1,9}[.)]\\s)*';
const FENCE = new RegExp(`^${MARKERS}(\`{3,}(?=[^\`]*$)|~{3,})`);
const ITEM = new RegExp(`^(?:\\s|>)*(?:[-*+]|\\d{1,9}[.)])(?:\\s|$)`);
/** What may become the marker of a list's item when more text comes. */
const NEARLY_ITEM = /^(?:[-*+]{1,2}|\d{1,9}[.)]?)$/;
const DEFINITION = /^ {0,3}\[[^\]]+\]:\s*\S/;

/** What is open at some place in a block. */
class Scanner {
  private fence = '';
  private depth = 0;
  private math = false;
  private comment = false;
  private list = false;
  private spaced = false;

  /** Take a line that is complete. */
  take(line: string): void {
    if (this.fence) {
      const text = line.replace(/^(?:\s|>)*/, '').trimEnd();
      if (text.startsWith(this.fence) && text.replaceAll(this.fence.charAt(0), '') === '') {
        this.fence = '';
      }
      return;
    }
    const opened = FENCE.exec(line)?.[1];
    this.list ||= ITEM.test(line);
    if (opened !== undefined) {
      this.fence = opened;
      return;
    }
    const text = line.replace(CODE_SPAN, '');
    for (const [, closing, empty] of text.matchAll(TAG)) {
      this.depth += closing ? -1 : empty ? 0 : 1;
    }
    if (text.split('$$').length % 2 === 0) {
      this.math = !this.math;
    }
    const [begun, ended] = [text.lastIndexOf('<!--'), text.lastIndexOf('-->')];
    if (begun !== ended) {
      this.comment = begun > ended;
    }
    this.spaced = line.trim() === '';
  }

  /** Whether a new block begins with `line`, of which more may come if it is not `complete`. */
  endsBefore(line: string, complete: boolean): boolean {
    if (this.fence || this.depth > 0 || this.math || this.comment || !this.spaced) {
      return false;
    }
    // An indented line may continue a list or a code block.
    if (line === '' || /^\s/.test(line)) {
      return false;
    }
    return !this.list || !(ITEM.test(line) || (!complete && NEARLY_ITEM.test(line)));
  }
}

/** Cut `text`, which begins with a block, into the blocks that are finished and the `rest`. */
export function cut(text: string): { finished: string[]; rest: string } {
  const finished: string[] = [];
  let scanner = new Scanner();
  let begin = 0;
  let at = 0;
  while (at < text.length) {
    const newline = text.indexOf('\n', at);
    const complete = newline >= 0;
    const end = complete ? newline : text.length;
    const line = text.slice(at, end);
    if (scanner.endsBefore(line, complete)) {
      finished.push(text.slice(begin, at));
      begin = at;
      scanner = new Scanner();
    }
    if (!complete) {
      break;
    }
    scanner.take(line);
    at = end + 1;
  }
  return { finished, rest: text.slice(begin) };
}

/** The definitions of links in a block, which later blocks may use. */
export function definitions(block: string): string {
  return block
    .split('\n')
    .filter(line => DEFINITION.test(line))
    .map(line => `\n${line}`)
    .join('');
}

/** Whether a block is one line of a paragraph in which no character means anything. */
export function isPlain(block: string): boolean {
  return /^[\p{L}\p{N}"'“(][^\\`*_~[\]<&$:/@|\n]*$/u.test(block) && !/^\d{1,9}[.)]|www/.test(block);
}
