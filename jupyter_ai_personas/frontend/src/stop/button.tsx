/** The button that stops turns, beside the one that sends. */
import {
  TooltippedIconButton,
  type IChatModel,
  type IToolbarItemProps
} from '@jupyter/chat';
import { caretDownEmptyIcon, stopIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { useSignal } from '../parts/hooks';
import type { IPersonas } from '../tokens';

export interface IStopProps extends IToolbarItemProps {
  readonly personas: IPersonas;
  /** Stop some turns. */
  readonly stop: (turns: readonly string[]) => void;
  /** Open the menu of all turns of a chat below or above an element. */
  readonly choose: (chat: IChatModel, near: HTMLElement) => void;
}

/** Stops what the person asked; a menu has what others asked. Absent while nothing runs. */
export function StopButton(props: IStopProps): React.JSX.Element | null {
  const { chatModel: chat, edit, personas } = props;
  useSignal(personas.turnChanged);
  const turns = chat === undefined || edit === true ? [] : personas.turns(chat.name);
  if (chat === undefined || turns.length === 0) {
    return null;
  }
  const mine = turns.filter(turn => turn.person === chat.user?.username);
  const stopMine = mine.length > 1 ? `Stop my ${mine.length} turns` : 'Stop';
  return (
    <span className="jp-personas-stop-group">
      {mine.length > 0 && (
        <TooltippedIconButton
          onClick={() => {
            props.stop(mine.map(turn => turn.turn));
          }}
          tooltip={stopMine}
          aria-label={stopMine}
          buttonProps={{ title: stopMine, className: 'jp-personas-stop' }}
        >
          <stopIcon.react tag="span" width="16px" height="16px" />
        </TooltippedIconButton>
      )}
      {(mine.length > 1 || mine.length < turns.length) && (
        <TooltippedIconButton
          onClick={event => {
            props.choose(chat, event.currentTarget);
          }}
          tooltip="Choose what to stop"
          aria-label="Choose what to stop"
          buttonProps={{ 'aria-haspopup': 'menu', className: 'jp-personas-stop-menu' }}
        >
          {mine.length === 0 && <stopIcon.react tag="span" width="16px" height="16px" />}
          <caretDownEmptyIcon.react tag="span" width="16px" height="16px" />
        </TooltippedIconButton>
      )}
    </span>
  );
}
