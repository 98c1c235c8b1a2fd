/** Has the chat show the newest text of each message, whichever rendering of it ends last. */
import type { IChatModel, IMessage } from '@jupyter/chat';

/**
 * The chat renders a message whenever it changes, and shows the rendering that ends last. Where
 * another one had begun after that, have the chat render the message once more.
 */
export function keepNewest(model: IChatModel): void {
  const isEnded = new WeakMap<object, boolean>();
  const watch = (_: unknown, message: IMessage): void => {
    const rendering = message.renderedDelegate;
    if (isEnded.has(rendering)) {
      return;
    }
    isEnded.set(rendering, false);
    void rendering.promise.then(() => {
      isEnded.set(rendering, true);
      const newest = message.renderedDelegate;
      if (newest !== rendering && isEnded.get(newest)) {
        // The chat takes another array for a change.
        message.update({ mentions: [...(message.mentions ?? [])] });
      }
    });
  };
  const watchAll = (): void => {
    model.messages.forEach(message => {
      watch(model, message);
    });
  };
  model.messageChanged.connect(watch);
  model.messagesUpdated.connect(watchAll);
  watchAll();
}
