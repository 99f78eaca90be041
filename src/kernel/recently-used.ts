/** A bounded cache: it keeps the entries that were used last. */
export interface RecentlyUsed<T> {
  /** Undefined where it is not kept. */
  get(key: string): T | undefined;
  /** Answers `value`. */
  put(key: string, value: T): T;
}

export function createRecentlyUsed<T>(max: number): RecentlyUsed<T> {
  /** The entry that was used longest ago comes first. */
  const kept = new Map<string, T>();

  function put(key: string, value: T): T {
    kept.delete(key);
    kept.set(key, value);
    if (kept.size > max) kept.delete(kept.keys().next().value as string);
    return value;
  }

  return {
    put,
    get(key) {
      const value = kept.get(key);
      return value === undefined ? undefined : put(key, value);
    },
  };
}
