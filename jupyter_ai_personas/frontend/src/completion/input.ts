/** Keys and places that the chat's completion leaves out. */
import type { IInputModel } from '@jupyter/chat';

/**
 * Let Tab complete. While the completion is open, it takes what is highlighted, as Enter does. After
 * a name that is typed out, of which `isWhole` tells, it adds the space that completion adds. Alone,
 * it would move the focus to a button.
 */
export function completeWithTab(node: HTMLElement, isWhole: (before: string) => boolean): void {
  node.addEventListener(
    'keydown',
    event => {
      const box = event.target;
      if (
        event.key !== 'Tab' ||
        event.shiftKey ||
        event.isComposing ||
        !(box instanceof HTMLTextAreaElement)
      ) {
        return;
      }
      const { selectionStart: at, selectionEnd: end, value } = box;
      if (box.getAttribute('aria-expanded') === 'true') {
        box.dispatchEvent(
          new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true })
        );
      } else if (at === end && !/^\S/.test(value.slice(at)) && isWhole(value.slice(0, at))) {
        box.setRangeText(' ', at, at, 'end');
        box.dispatchEvent(new Event('input', { bubbles: true }));
      } else {
        return;
      }
      event.preventDefault();
      event.stopPropagation();
    },
    true
  );
}

/**
 * Tell the chat where the cursor is after input without keys, as of a pen, speech or the clipboard:
 * the chat reads it after keys only.
 */
export function followCursor(node: HTMLElement, input: IInputModel): void {
  node.addEventListener('input', ({ target }) => {
    if (
      target instanceof HTMLTextAreaElement &&
      target.closest<HTMLElement>('[data-input-id]')?.dataset.inputId === input.id
    ) {
      input.cursorIndex = target.selectionStart;
    }
  });
}

/**
 * Let the completion open where a word is yet to begin.
 *
 * The chat asks its providers only about words. Where `wanted` accepts the text before the cursor,
 * the word there is said to be a space.
 */
export function completeBeforeWord(
  input: IInputModel,
  wanted: (before: string) => boolean
): void {
  const changed = input.currentWordChanged as { emit?: (word: string) => void };
  const isWanted = (): boolean => wanted(input.value.slice(0, input.cursorIndex ?? undefined));
  input.cursorIndexChanged.connect(() => {
    Reflect.deleteProperty(input, 'currentWord');
    if (!isWanted()) {
      return;
    }
    // The chat tells its view about the word itself first, which closes the completion.
    queueMicrotask(() => {
      if (isWanted() && changed.emit !== undefined) {
        Object.defineProperty(input, 'currentWord', { configurable: true, value: ' ' });
        changed.emit.call(changed, ' ');
      }
    });
  });
}
