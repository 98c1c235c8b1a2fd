/** Goes to a place in an open document. */
import type { IDocumentWidget } from '@jupyterlab/docregistry';
import type { Notebook } from '@jupyterlab/notebook';

import type { Place } from './target';

/** How many lines after the place are in view. */
const LINES_BELOW = 10;

interface IPosition {
  line: number;
  column: number;
}

/** What file editors have. */
interface IWithEditor {
  readonly editor: {
    readonly lineCount: number;
    setCursorPosition(position: IPosition): void;
    revealPosition(position: IPosition): void;
    focus(): void;
  };
}

/** Show a place once the document is there; nothing happens if it lacks the place. */
export async function jump(document: IDocumentWidget, place: Place): Promise<void> {
  await document.context.ready;
  await document.revealed;
  const { content } = document;
  if ('cell' in place && isNotebook(content)) {
    const index = content.widgets.findIndex(cell => cell.model.id === place.cell);
    if (index >= 0) {
      content.activeCellIndex = index;
      content.deselectAll();
      await content.scrollToItem(index, 'center');
      // A dialog that asks for a kernel gives the focus back to where it was.
      content.activate();
    }
  } else if ('line' in place && isEditor(content)) {
    const { editor } = content;
    const at = (line: number): IPosition => ({
      line: Math.min(line, editor.lineCount) - 1,
      column: 0
    });
    editor.revealPosition(at(place.line + LINES_BELOW));
    editor.setCursorPosition(at(place.line));
    editor.focus();
  }
}

// By their parts: an import would only serve `instanceof`.
function isNotebook(content: object): content is Notebook {
  return 'activeCellIndex' in content && 'scrollToItem' in content;
}

function isEditor(content: object): content is IWithEditor {
  return 'editor' in content;
}
