/** A bound on something that callers share, and a lower one for each caller, so that none can take all of it. */
export class SharedLimit {
  readonly limit: number
  readonly #callerLimit: number
  readonly #heldBy = new Map<string, number>()
  #held = 0

  constructor(limit: number, callerLimit: number) {
    this.limit = limit
    this.#callerLimit = callerLimit
  }

  get held(): number {
    return this.#held
  }

  heldBy(callerID: string): number {
    return this.#heldBy.get(callerID) ?? 0
  }

  /** Who leaves no room for so much more: the caller itself, or all together; undefined when there is room. */
  refusal(callerID: string, amount: number): 'caller' | 'all' | undefined {
    if (this.heldBy(callerID) + amount > this.#callerLimit) return 'caller'
    return this.fits(amount) ? undefined : 'all'
  }

  /** Whether there is room, whatever the caller has already. */
  fits(amount: number): boolean {
    return this.#held + amount <= this.limit
  }

  take(callerID: string, amount: number): void {
    this.#held += amount
    this.#heldBy.set(callerID, this.heldBy(callerID) + amount)
  }

  give(callerID: string, amount: number): void {
    this.#held -= amount
    const left = this.heldBy(callerID) - amount
    if (left > 0) this.#heldBy.set(callerID, left)
    else this.#heldBy.delete(callerID)
  }
}
