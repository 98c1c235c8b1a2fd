/** Where links to documents of this JupyterLab lead. */

/** A place in a document: a line of a text, counted from 1, or a cell of a notebook. */
export type Place = { readonly line: number } | { readonly cell: string };

export interface ITarget {
  readonly path: string;
  readonly place: Place | null;
}

/**
 * The document that a URL opens, or `null`: any other address.
 *
 * @param url - An absolute URL.
 * @param lab - The absolute URL of JupyterLab, such as `http://localhost:8888/lab`.
 */
export function targetOf(url: string, lab: string): ITarget | null {
  try {
    const there = new URL(url);
    const here = new URL(lab);
    const isBelow = there.pathname.startsWith(`${here.pathname}/`);
    const rest = there.pathname.slice(here.pathname.length);
    const path = /^(?:\/workspaces\/[^/]+)?\/tree\/(.+)$/.exec(rest)?.[1];
    if (there.origin !== here.origin || !isBelow || path === undefined) {
      return null;
    }
    return { path: decodeURIComponent(path), place: placeOf(there.hash) };
  } catch {
    return null; // It is not well formed.
  }
}

function placeOf(hash: string): Place | null {
  const [, kind, value = ''] = /^#(line|cell-id)=(.+)$/.exec(hash) ?? [];
  if (kind === 'cell-id') {
    return { cell: decodeURIComponent(value) };
  }
  const line = Number.parseInt(value, 10);
  return line > 0 ? { line } : null;
}
