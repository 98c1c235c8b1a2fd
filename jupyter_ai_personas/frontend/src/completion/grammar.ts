/**
 * Where a mention, a command or a model may be completed.
 *
 * The server decides what is a mention (`routing/mentions.py`); this offers one only where the
 * server finds it.
 */

// Scripts without spaces: a letter before the sign is no word that it continues.
const UNSPACED =
  /[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Bopo}\p{scx=Thai}\p{scx=Laoo}\p{scx=Mymr}\p{scx=Khmr}]$/u;

/** The beginning of a mention: what stands before its sign in the word, and the name so far. */
export interface IBegunMention {
  readonly before: string;
  readonly typed: string;
}

/**
 * The mention that a word begins, or `null`.
 *
 * @param word - The word at the cursor, without spaces.
 * @param names - The names that can be mentioned: one may follow another.
 */
export function begunMention(word: string, names: readonly string[]): IBegunMention | null {
  const parts = /^(.*)[@\uff20\ufe6b]([^@\uff20\ufe6b]*)$/su.exec(word);
  if (parts === null) {
    return null;
  }
  const [, before = '', typed = ''] = parts;
  return mayPrecede(before, names) ? { before, typed } : null;
}

function mayPrecede(before: string, names: readonly string[]): boolean {
  if (/:\/\/|\]\(|`/.test(before)) {
    return false;
  }
  const joined = /[-+%&=#_/.]*$/.exec(before)?.[0] ?? '';
  const rest = before.slice(0, before.length - joined.length);
  if (joined.endsWith('.') || names.some(name => rest.endsWith(`@${name}`))) {
    return true;
  }
  if (joined.includes('/') || /[\\@]$/.test(rest)) {
    return false;
  }
  return UNSPACED.test(rest) || !/[\p{L}\p{N}\p{M}]$/u.test(rest);
}

/** Whether text behind `before` is code or a quotation, in which nobody is mentioned. */
export function isHidden(before: string): boolean {
  const lines = before.split('\n');
  const line = lines[lines.length - 1] ?? '';
  const fences = lines.slice(0, -1).filter(one => /^ {0,3}(```|~~~)/.test(one));
  if (fences.length % 2 === 1 || /^ {0,3}>/.test(line)) {
    return true;
  }
  return (line.replace(/\\`/g, '').match(/`/g)?.length ?? 0) % 2 === 1;
}

/** Whether text ends with the whole name of somebody who is mentioned, or with a whole command. */
export function endsWithName(
  before: string,
  names: readonly string[],
  commands: readonly string[]
): boolean {
  const command = begunCommand(before);
  const word = /\S*$/u.exec(before)?.[0] ?? '';
  const typed = begunMention(word, names)?.typed;
  return command === null
    ? typed !== undefined && names.includes(typed) && !isHidden(before)
    : commands.includes(command);
}

/** What was typed of a command, with the slash; `null` unless the text begins with it. */
export function begunCommand(before: string): string | null {
  return /^\/\S*$/u.exec(before)?.[0] ?? null;
}

/** The name and the begun model of `/model @Name …`, or `null`. */
export function begunModel(before: string): { name: string; typed: string } | null {
  const parts = /^\/model\s+@(\S+)\s+(\S*)$/u.exec(before);
  return parts === null ? null : { name: parts[1] ?? '', typed: parts[2] ?? '' };
}

/** The names, of those given, that a text mentions; the longest that fits at each sign. */
export function mentionedNames(text: string, names: readonly string[]): Set<string> {
  const found = new Set<string>();
  const longestFirst = [...names].sort((a, b) => b.length - a.length);
  for (const sign of text.matchAll(/@/g)) {
    const rest = text.slice(sign.index + 1);
    const name = longestFirst.find(
      one =>
        rest.toLowerCase().startsWith(one.toLowerCase()) &&
        !/^[-_]*[\p{L}\p{N}]/u.test(rest.slice(one.length))
    );
    if (name !== undefined) {
      found.add(name);
    }
  }
  return found;
}
