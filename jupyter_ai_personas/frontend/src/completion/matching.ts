/** Which names fit what was typed, in any alphabet. */

/** The text for a comparison that does not tell case, accents and widths apart. */
export function folded(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}

/**
 * The items whose keys fit what was typed: first those that are it, then those that begin with it,
 * then those with a word that does, then those that contain it; within these, in their order.
 */
export function matching<T>(typed: string, items: readonly T[], keys: (item: T) => string[]): T[] {
  const wanted = folded(typed);
  const ranked = items.map(item => ({ item, rank: Math.min(...keys(item).map(rank)) }));

  function rank(key: string): number {
    const text = folded(key);
    const at = text.indexOf(wanted);
    if (at <= 0) {
      return at < 0 ? Infinity : text === wanted ? 0 : 1;
    }
    return text.split(/[^\p{L}\p{N}]+/u).some(word => word.startsWith(wanted)) ? 2 : 3;
  }

  return [0, 1, 2, 3].flatMap(wantedRank =>
    ranked.filter(one => one.rank === wantedRank).map(one => one.item)
  );
}
