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
  const { content, context } = document;
  const wasOpen = context.isReady;
  await context.ready;
  await document.revealed;
  if ('cell' in place && isNotebook(content)) {
    const index = content.widgets.findIndex(cell => cell.model.id === place.cell);
    await activate(content, index);
    if (!wasOpen) {
      // The dialog that asks for a kernel gives the focus back to the first cell.
      await context.sessionContext.ready;
      if (content.activeCellIndex === 0) {
        await activate(content, index);
      }
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

async function activate(notebook: Notebook, index: number): Promise<void> {
  const cell = notebook.widgets[index];
  if (cell !== undefined) {
    notebook.activeCellIndex = index;
    notebook.deselectAll();
    await notebook.scrollToItem(index, 'center');
    notebook.activate();
    // The heights of cells are estimates until they are rendered.
    await cell.ready;
    await notebook.scrollToItem(index, 'center');
  }
}

// By their parts: an import would only serve `instanceof`.
function isNotebook(content: object): content is Notebook {
  return 'activeCellIndex' in content && 'scrollToItem' in content;
}

function isEditor(content: object): content is IWithEditor {
  return 'editor' in content;
}
