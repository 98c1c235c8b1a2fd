/** What was read from the server, shown at once and read anew when it is old. */

interface IEntry<T> {
  asked: number;
  value: T | undefined;
  reading?: Promise<void>;
}

/** Values by key; `read` gets one from the server. */
export class Cached<T> {
  /**
   * @param read - Reads the value of a key.
   * @param maxAge - Milliseconds after which a value that is asked for is read again.
   * @param onChange - Called with the key when its value was read and differs.
   */
  constructor(
    private readonly read: (key: string) => Promise<T>,
    private readonly maxAge: number,
    private readonly onChange: (key: string) => void = () => undefined
  ) {}

  /** The value as it was read last; `undefined` if it never was. */
  peek(key: string): T | undefined {
    return this.entries.get(key)?.value;
  }

  /**
   * The value, at once if it was ever read; an old one is read again meanwhile. `undefined` if the
   * server refuses.
   */
  async get(key: string): Promise<T | undefined> {
    const entry = this.entries.get(key);
    if (entry === undefined || Date.now() - entry.asked > this.maxAge) {
      void this.refresh(key);
    }
    if (entry?.value === undefined) {
      await this.entries.get(key)?.reading;
    }
    return this.peek(key);
  }

  /** Read a value anew. A server that refuses leaves the old one. */
  async refresh(key: string): Promise<void> {
    const entry: IEntry<T> = this.entries.get(key) ?? { asked: 0, value: undefined };
    this.entries.set(key, entry);
    entry.asked = Date.now();
    entry.reading = this.readInto(entry, key);
    await entry.reading;
  }

  private async readInto(entry: IEntry<T>, key: string): Promise<void> {
    try {
      const value = await this.read(key);
      const isNew = JSON.stringify(value) !== JSON.stringify(entry.value);
      entry.value = value;
      if (isNew) {
        this.onChange(key);
      }
    } catch (error) {
      // Who asks next gets another try.
      entry.asked = 0;
      console.warn('Personas: the server did not answer.', error);
    }
  }

  private readonly entries = new Map<string, IEntry<T>>();
}
