/** The built-in footers: a reply's state, retry, and what it took. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { refreshIcon } from '@jupyterlab/ui-components';
import { Signal, type ISignal } from '@lumino/signaling';
import * as React from 'react';

import { mayRetry } from '../messages';
import { tellIfItFails } from '../parts/errors';
import { useSignal } from '../parts/hooks';
import { IPersonas, type IMessageProps } from '../tokens';
import { personasPlugin } from '../personas';
import { MARKS, usageOf } from './words';

export const repliesPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-ai-personas:replies',
  description: 'Shows states of replies, retry, and usage.',
  autoStart: true,
  requires: [IPersonas],
  optional: [ISettingRegistry],
  activate: (
    _app: JupyterFrontEnd,
    personas: IPersonas,
    settings: ISettingRegistry | null
  ): void => {
    const showUsage = new Switch();
    settings
      ?.load(personasPlugin.id)
      .then(loaded => {
        const read = (): void => {
          showUsage.set(loaded.composite.usage === true);
        };
        loaded.changed.connect(read);
        read();
      })
      .catch((error: unknown) => {
        console.warn('Personas: the settings cannot be read.', error);
      });

    personas.footers.add({ id: 'state', rank: 10, component: State });
    personas.footers.add({
      id: 'retry',
      rank: 20,
      component: props => <Retry {...props} personas={personas} />
    });
    personas.footers.add({
      id: 'usage',
      rank: 30,
      component: props => <Usage {...props} shown={showUsage} />
    });
  }
};

/** Something that is on or off. */
class Switch {
  isOn = false;

  get changed(): ISignal<this, void> {
    return this.changedSignal;
  }

  set(isOn: boolean): void {
    if (isOn !== this.isOn) {
      this.isOn = isOn;
      this.changedSignal.emit();
    }
  }

  private readonly changedSignal = new Signal<this, void>(this);
}

function State({ reply }: IMessageProps): React.JSX.Element | null {
  const mark = reply === null ? null : MARKS[reply.state];
  return mark === null ? null : (
    <span className="jp-personas-state" data-state={reply?.state}>
      <span aria-hidden="true">{mark.sign}</span> {mark.word}
    </span>
  );
}

function Retry({ reply, personas }: IMessageProps & { personas: IPersonas }): React.JSX.Element | null {
  const [isAsking, setAsking] = React.useState(false);
  if (reply === null || !mayRetry(reply.state)) {
    return null;
  }
  const retry = async (): Promise<void> => {
    setAsking(true);
    await tellIfItFails(personas.retry(reply.turn));
    setAsking(false);
  };
  return (
    <button
      type="button"
      className="jp-personas-button jp-personas-retry"
      disabled={isAsking}
      title="Ask again; the new reply takes the place of this one"
      onClick={() => void retry()}
    >
      <refreshIcon.react tag="span" width="14px" height="14px" />
      Retry
    </button>
  );
}

function Usage({ message, reply, shown }: IMessageProps & { shown: Switch }): React.JSX.Element | null {
  useSignal(shown.changed);
  const usage = shown.isOn && reply !== null ? usageOf(message) : '';
  return usage === '' ? null : <span className="jp-personas-usage">{usage}</span>;
}
