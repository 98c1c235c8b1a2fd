/** One persona in the panel. */
import type { IChatModel } from '@jupyter/chat';
import * as React from 'react';

import type { Api, IModelProvider, IPersona } from '../api';
import { chosenModel, offered, settingsOf } from './choices';

interface IProps {
  readonly persona: IPersona;
  readonly chat: IChatModel;
  readonly providers: readonly IModelProvider[];
  readonly api: Api;
}

export function Persona(props: IProps): React.JSX.Element {
  const { persona } = props;
  const { name, mention_name: mention, description, avatar_url: avatar, tools, problem } = persona;
  return (
    <li className="jp-personas-persona" data-status={persona.status}>
      <h3>
        {avatar !== null && <img src={avatar} alt="" width="20" height="20" />}
        {name} {mention !== null && <code>@{mention}</code>}
      </h3>
      {description !== '' && <p>{description}</p>}
      {problem !== null && (
        <p className="jp-personas-problem">
          <strong>{persona.id === null ? 'Cannot be used: ' : 'Problem: '}</strong>
          {problem.split('`').map((part, at) => (at % 2 === 1 ? <code key={at}>{part}</code> : part))}
        </p>
      )}
      {persona.id !== null && <Model {...props} id={persona.id} />}
      {tools.length > 0 && <p>Tools: {tools.join(', ')}</p>}
    </li>
  );
}

function Model(props: IProps & { id: string }): React.JSX.Element {
  const { api, chat, id, persona, providers } = props;
  const [problem, setProblem] = React.useState('');
  const chosen = chosenModel(settingsOf(chat), id);
  const groups = offered(persona, providers);
  const isListed = groups.some(([, models]) => models.some(one => one.value === chosen));
  const none = persona.own_models ? 'its own' : 'none';
  const choose = (model: string): void => {
    setProblem('');
    const query = { chat_path: chat.name, persona_id: id };
    api.put('models', query, { model: model === '' ? null : model }).then(
      () => undefined, // The chat's settings tell.
      (error: unknown) => {
        setProblem(error instanceof Error ? error.message : String(error));
      }
    );
  };
  return (
    <>
      <label>
        Model in this chat{' '}
        <select
          value={chosen ?? ''}
          onChange={event => {
            choose(event.target.value);
          }}
        >
          <option value="">Default ({persona.model ?? none})</option>
          {chosen !== null && !isListed && <option>{chosen}</option>}
          {groups.map(([provider, models]) => (
            <optgroup key={provider} label={provider}>
              {models.map(({ value, label }) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
            </optgroup>
          ))}
        </select>
      </label>
      <p role="alert" className="jp-personas-problem">
        {problem}
      </p>
    </>
  );
}
