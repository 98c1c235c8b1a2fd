/** Which lines of a diff are new, and which are gone. */

/** The elements for the lines of a diff: screen readers tell `ins` and `del` apart. */
export function elementsFor(lines: readonly string[]): ('ins' | 'del' | 'span')[] {
  const begins = (at: number, text: string): boolean => lines[at]?.startsWith(text) === true;
  const isHead = (at: number): boolean =>
    begins(at, '--- ') && begins(at + 1, '+++ ') && begins(at + 2, '@@ ');
  return lines.map((line, at) => {
    if (isHead(at) || isHead(at - 1)) {
      return 'span'; // The names of the files.
    }
    return line.startsWith('+') ? 'ins' : line.startsWith('-') ? 'del' : 'span';
  });
}
