/** An ordered list that extensions add to. */
import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';

import type { IRegistry } from './tokens';

/** Entries by rank, those without one last; of those with one rank the first added is first. */
export class Registry<T extends { readonly rank?: number }> implements IRegistry<T> {
  /** @param keyOf - Tells entries apart: there is one with each key. */
  constructor(private readonly keyOf: (entry: T) => string) {}

  readonly changed = new Signal<this, void>(this);

  get entries(): readonly T[] {
    return this.sorted;
  }

  add(entry: T): IDisposable {
    const key = this.keyOf(entry);
    if (this.sorted.some(one => this.keyOf(one) === key)) {
      throw new Error(`"${key}" is there already. Take another name, or dispose that one first.`);
    }
    this.sorted = [...this.sorted, entry].sort((a, b) => rankOf(a) - rankOf(b));
    this.changed.emit();
    return new DisposableDelegate(() => {
      this.sorted = this.sorted.filter(one => one !== entry);
      this.changed.emit();
    });
  }

  private sorted: readonly T[] = [];
}

function rankOf(entry: { readonly rank?: number }): number {
  return entry.rank ?? Number.MAX_SAFE_INTEGER;
}
