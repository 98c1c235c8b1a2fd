/**
 * The part of `@jupyter/chat` 0.25 that this extension uses.
 *
 * The chat is loaded by JupyterLab at run time; its types are declared here because the package
 * index has no release of them that matches.
 */
declare module '@jupyter/chat' {
  import type { IThemeManager, IWidgetTracker } from '@jupyterlab/apputils';
  import type { LabIcon } from '@jupyterlab/ui-components';
  import type { Token } from '@lumino/coreutils';
  import type { ISignal } from '@lumino/signaling';
  import type { Widget } from '@lumino/widgets';
  import type * as React from 'react';

  // -- people and messages ---------------------------------------------------------------------

  export interface IUser {
    username: string;
    name?: string;
    display_name?: string;
    initials?: string;
    color?: string;
    avatar_url?: string;
    mention_name?: string;
    bot?: boolean;
  }

  export interface IMimeModelBody {
    data: Record<string, unknown>;
    metadata?: Record<string, unknown>;
  }

  export interface INotebookAttachment {
    type: 'notebook';
    value: string;
    cells?: { id: string; input_type: 'raw' | 'markdown' | 'code' }[];
  }

  export interface IFileAttachment {
    type: 'file';
    value: string;
    mimetype?: string;
  }

  export type IAttachment = IFileAttachment | INotebookAttachment;

  export interface IMessageContent {
    id: string;
    type: string;
    body: string;
    time: number;
    sender: IUser;
    attachments?: IAttachment[];
    mentions?: IUser[];
    raw_time?: boolean;
    deleted?: boolean;
    edited?: boolean;
    metadata?: Record<string, unknown>;
    mime_model?: IMimeModelBody | undefined;
  }

  /** A message of the chat; the chat keeps its object while only its fields change. */
  export interface IMessage extends IMessageContent {
    readonly content: IMessageContent;
    readonly changed: ISignal<IMessage, void>;
    /** Of the newest rendering; another one when a change leads to another rendering. */
    readonly renderedDelegate: { readonly promise: Promise<void> };
    update(fields: Partial<IMessageContent>): void;
  }

  // -- models ----------------------------------------------------------------------------------

  export interface IChatContext {
    readonly name: string;
    readonly user?: IUser;
    readonly users: IUser[];
  }

  export interface IInputModel {
    readonly id: string;
    chatContext?: IChatContext;
    value: string;
    readonly valueChanged: ISignal<IInputModel, string>;
    cursorIndex: number | null;
    readonly cursorIndexChanged: ISignal<IInputModel, number | null>;
    readonly currentWord: string | null;
    readonly currentWordChanged: ISignal<IInputModel, string | null>;
    readonly attachments: IAttachment[];
    addAttachment?(attachment: IAttachment): void;
    clearAttachments?(): void;
    replaceCurrentWord(word: string): void;
    addMention?(user: IUser): void;
    focus(): void;
    send(body: string): void;
  }

  export interface IWriter {
    user: IUser;
    messageID?: string;
    typingIndicator?: string;
  }

  /** The events of a shared type of `yjs`, as far as they are read here. */
  export interface ISharedChat {
    readonly ydoc: unknown;
    readonly awareness: {
      readonly clientID: number;
      getLocalState(): Record<string, unknown> | null;
      getStates(): Map<number, Record<string, unknown>>;
      setLocalStateField(field: string, value: unknown): void;
      on(event: 'change', listener: () => void): void;
      off(event: 'change', listener: () => void): void;
    };
  }

  export interface IChatModel {
    /** The path of the chat's file. */
    readonly name: string;
    readonly user?: IUser;
    readonly messages: IMessage[];
    readonly messagesUpdated: ISignal<IChatModel, void>;
    readonly messageChanged: ISignal<IChatModel, IMessage>;
    readonly input: IInputModel;
    readonly ready: Promise<string>;
    readonly writers: IWriter[];
    readonly writersChanged?: ISignal<IChatModel, IWriter[]>;
    readonly disposed: ISignal<IChatModel, void>;
    readonly isDisposed: boolean;
    /** Of chats whose documents are shared. */
    readonly sharedModel?: ISharedChat;
    sendMessage(message: Partial<IMessageContent>): unknown;
  }

  export interface IChatPanel extends Widget {
    readonly model: IChatModel;
    readonly area: 'main' | 'sidebar';
  }

  export type IChatTracker = IWidgetTracker<IChatPanel>;
  export const IChatTracker: Token<IChatTracker>;

  // -- completion ------------------------------------------------------------------------------

  export interface ChatCommand {
    /** What is shown, and put in place of the current word unless `replaceWith` is. */
    name: string;
    providerId: string;
    icon?: LabIcon | React.JSX.Element | string | null;
    description?: string;
    replaceWith?: string;
    spaceOnAccept?: boolean;
  }

  export interface IChatCommandProvider {
    readonly id: string;
    listCommandCompletions(input: IInputModel): Promise<ChatCommand[]>;
    onSubmit(input: IInputModel): Promise<void>;
  }

  export interface IChatCommandRegistry {
    /** Add a provider, in the place of one with the same id. */
    addProvider(provider: IChatCommandProvider): void;
    getProviders(): IChatCommandProvider[];
  }
  export const IChatCommandRegistry: Token<IChatCommandRegistry>;

  // -- the toolbar of the input ----------------------------------------------------------------

  export interface IToolbarItemProps {
    model: IInputModel;
    chatModel?: IChatModel;
    /** Whether a message is edited; otherwise a new one is written. */
    edit?: boolean;
  }

  export interface IToolbarItem {
    element: React.FunctionComponent<IToolbarItemProps>;
    /** Attach has 20, send 100. */
    position: number;
    hidden?: boolean;
  }

  export interface IInputToolbarRegistry {
    addItem(name: string, item: IToolbarItem): void;
  }

  export interface IInputToolbarRegistryFactory {
    create: () => IInputToolbarRegistry;
  }
  export const IInputToolbarRegistryFactory: Token<IInputToolbarRegistryFactory>;

  // -- parts of messages -----------------------------------------------------------------------

  export interface IMessagePartProps {
    model: IChatModel;
    /** In footers an `IMessage`, in preambles its content. */
    message: IMessageContent;
  }

  export interface IMessageFooterRegistry {
    /** Add the section of a position, in the place of what was there. */
    addSection(section: {
      position: 'left' | 'center' | 'right';
      component: React.FunctionComponent<IMessagePartProps>;
    }): void;
    getFooter(): Partial<
      Record<'left' | 'center' | 'right', { component: React.FunctionComponent<IMessagePartProps> }>
    >;
  }
  export const IMessageFooterRegistry: Token<IMessageFooterRegistry>;

  export interface IMessagePreambleRegistry {
    addComponent(component: (props: IMessagePartProps) => React.JSX.Element | null): void;
  }
  export const IMessagePreambleRegistry: Token<IMessagePreambleRegistry>;

  // -- components ------------------------------------------------------------------------------

  export const Avatar: React.FunctionComponent<{ user: IUser; small?: boolean }>;

  /** The buttons below a block of code; older versions lack it. */
  export const CodeToolbar:
    | React.FunctionComponent<{ model: IChatModel; content: string }>
    | undefined;

  export const JlThemeProvider: React.FunctionComponent<{
    themeManager: IThemeManager | null;
    children: React.ReactNode;
  }>;

  export const TooltippedIconButton: React.FunctionComponent<{
    onClick: (event: React.MouseEvent<HTMLElement>) => void;
    tooltip: string;
    disabled?: boolean;
    inputToolbar?: boolean;
    className?: string;
    'aria-label'?: string;
    buttonProps?: Record<string, unknown>;
    children?: React.ReactNode;
  }>;
}
