/** What several components need. */
import type { ISignal } from '@lumino/signaling';
import * as React from 'react';

/** Draw a component anew whenever a signal is emitted. */
export function useSignal<S, T>(signal: ISignal<S, T> | undefined): void {
  const [, draw] = React.useReducer((count: number) => count + 1, 0);
  React.useEffect(() => {
    signal?.connect(draw);
    return () => {
      signal?.disconnect(draw);
    };
  }, [signal]);
}
