type Slot<T> = { item: T; dueMs: number }

/** Items by when they are due: a binary heap that holds each item once and from which any can be taken out. */
export class DueQueue<T> {
  readonly #slots: Slot<T>[] = []
  readonly #index = new Map<T, number>()

  /** When the first item is due, in the unit it was pushed with; undefined when there is none. */
  peekDueMs(): number | undefined {
    return this.#slots[0]?.dueMs
  }

  /** Adds the item, or moves it when it is already there. */
  push(item: T, dueMs: number): void {
    const at = this.#index.get(item)
    const slot = at === undefined ? undefined : this.#slots[at]
    if (at !== undefined && slot !== undefined) {
      slot.dueMs = dueMs
      this.#up(at)
      this.#down(this.#index.get(item) ?? at)
      return
    }
    this.#slots.push({ item, dueMs })
    this.#index.set(item, this.#slots.length - 1)
    this.#up(this.#slots.length - 1)
  }

  /** Takes out the item that is due first. */
  pop(): T | undefined {
    const first = this.#slots[0]
    if (first !== undefined) this.remove(first.item)
    return first?.item
  }

  remove(item: T): void {
    const at = this.#index.get(item)
    if (at === undefined) return
    const last = this.#slots.pop()
    this.#index.delete(item)
    if (last === undefined || at === this.#slots.length) return
    this.#place(last, at)
    this.#up(at)
    this.#down(this.#index.get(last.item) ?? at)
  }

  #place(slot: Slot<T>, at: number): void {
    this.#slots[at] = slot
    this.#index.set(slot.item, at)
  }

  #up(from: number): void {
    let at = from
    const slot = this.#slots[at]
    while (slot !== undefined && at > 0) {
      const above = (at - 1) >> 1
      const parent = this.#slots[above]
      if (parent === undefined || parent.dueMs <= slot.dueMs) break
      this.#place(parent, at)
      at = above
    }
    if (slot !== undefined) this.#place(slot, at)
  }

  #down(from: number): void {
    let at = from
    const slot = this.#slots[at]
    if (slot === undefined) return
    for (;;) {
      const left = 2 * at + 1
      const leftSlot = this.#slots[left]
      const rightSlot = this.#slots[left + 1]
      const useRight = rightSlot !== undefined && leftSlot !== undefined && rightSlot.dueMs < leftSlot.dueMs
      const child = useRight ? rightSlot : leftSlot
      if (child === undefined || child.dueMs >= slot.dueMs) break
      this.#place(child, at)
      at = useRight ? left + 1 : left
    }
    this.#place(slot, at)
  }
}
