/** The open chats. */
import type { IChatModel, IChatPanel, IChatTracker, IInputModel } from '@jupyter/chat';

/** Call `follow` for each chat that is open, and for each that is opened later. */
export function eachChat(chats: IChatTracker, follow: (panel: IChatPanel) => void): void {
  chats.widgetAdded.connect((_, panel) => {
    follow(panel);
  });
  chats.forEach(follow);
}

/** The chat that an input for new messages belongs to. */
export function chatOf(chats: IChatTracker, input: IInputModel): IChatModel | undefined {
  return chats.find(panel => panel.model.input === input)?.model;
}

/** The path of an input's chat; the context of an input is set only when the chat is loaded. */
export function pathOf(chats: IChatTracker, input: IInputModel): string {
  return chatOf(chats, input)?.name ?? input.chatContext?.name ?? '';
}

/** The name that people see of somebody, as far as the chat knows it. */
export function nameOf(chat: IChatModel, username: string): string {
  const user = chat.input.chatContext?.users.find(one => one.username === username);
  return user?.display_name ?? user?.name ?? username;
}
