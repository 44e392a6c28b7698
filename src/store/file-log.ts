import type { StoreOptions } from './store.ts'

/** One line about damaged entries in this time, in milliseconds: they may be asked for very often. */
const DAMAGE_LOG_MS = 10_000

/** What the operator is told of the file while the gateway runs, without repeating it for each request. */
export class FileLog {
  readonly #log: StoreOptions['log']
  #isAway = false
  #damageLoggedAtMs = Number.NEGATIVE_INFINITY

  constructor(log: StoreOptions['log']) {
    this.#log = log
  }

  /** Once until a write succeeds. */
  noteFailedWrite(cause: unknown): void {
    if (!this.#isAway) this.#log?.error({ err: cause }, 'store away: it can not be written')
    this.#isAway = true
  }

  noteWrite(): void {
    if (this.#isAway) this.#log?.warn({}, 'store back: it can be written again')
    this.#isAway = false
  }

  noteDamage(space: string): void {
    const nowMs = performance.now()
    if (nowMs - this.#damageLoggedAtMs < DAMAGE_LOG_MS) return
    this.#damageLoggedAtMs = nowMs
    this.#log?.error(
      { space },
      'an entry of the store is damaged: whoever asks for it gets store_unavailable',
    )
  }
}
