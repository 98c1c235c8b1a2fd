/** The open chats. */
import type { IChatPanel, IChatTracker } from '@jupyter/chat';

/** Call `follow` for each chat that is open, and for each that is opened later. */
export function eachChat(chats: IChatTracker, follow: (panel: IChatPanel) => void): void {
  chats.widgetAdded.connect((_, panel) => {
    follow(panel);
  });
  chats.forEach(follow);
}
