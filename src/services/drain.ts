/** The end of the process as the rest sees it: it begins once, and everything that waits is called back. */
export type Drain = {
  readonly draining: boolean
  /** From now on nothing new begins, and every request that waits is answered. */
  begin(): void
  /** Calls back when the drain begins, at once if it has; returns a function that takes it back. */
  onBegin(callback: () => void): () => void
}

export function createDrain(): Drain {
  const callbacks = new Set<() => void>()
  let draining = false
  return {
    get draining() {
      return draining
    },
    begin: () => {
      draining = true
      for (const callback of [...callbacks]) callback()
      callbacks.clear()
    },
    onBegin: (callback) => {
      if (draining) callback()
      else callbacks.add(callback)
      return () => callbacks.delete(callback)
    },
  }
}
