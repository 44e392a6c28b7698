import type { Part, PartUploader } from '../../cloud/part-uploader.ts'
import { retryPauseMs } from '../../domain/retry.ts'
import { GatewayError } from '../../errors.ts'
import { pause, UploadAborted } from './abort.ts'

/** Parts of one upload in memory or under way at the same time. */
const MAX_PARTS_AT_ONCE = 4

/** How often a part is sent before the upload is given up. */
const MAX_TRIES = 3

export type PartSenderDeps = {
  store: PartUploader
  random: () => number
  /** Ends everything when it aborts. */
  abort: AbortController
  /** Told after each part that was stored; `bytes` is that part's. */
  onStored: (bytes: number) => void
}

/** Sends the parts of one upload side by side. The first part that fails ends all the others. */
export class PartSender {
  readonly #parts: PartSenderDeps
  #places = MAX_PARTS_AT_ONCE
  #error: unknown
  #wake: (() => void) | undefined

  constructor(parts: PartSenderDeps) {
    this.#parts = parts
  }

  /** Waits for a place for one more part. Throws what a part failed with. */
  async place(): Promise<void> {
    await this.#until(() => this.#places > 0)
    this.#places -= 1
  }

  /**
   * Sends a part in the place taken for it. `release` is told when the part is through, whatever became of it;
   * `wasSent`: nothing of its bytes is on its way any more.
   */
  send(part: Part, release: (wasSent: boolean) => void): void {
    this.#put(part).then(
      (wasSent) => {
        release(wasSent)
        this.#leave()
        this.#parts.onStored(part.bytes)
      },
      (error: unknown) => {
        this.#error ??= error
        this.#parts.abort.abort()
        release(false)
        this.#leave()
      },
    )
  }

  #leave(): void {
    this.#places += 1
    this.#wake?.()
  }

  /** Resolves when every part that was sent is stored. Throws what a part failed with. */
  finish(): Promise<void> {
    return this.#until(() => this.#places === MAX_PARTS_AT_ONCE)
  }

  /** What a part failed with, when one did: the reason of whatever went wrong after it. */
  get error(): unknown {
    return this.#error
  }

  async #until(holds: () => boolean): Promise<void> {
    while (this.#error === undefined && !holds()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    if (this.#error !== undefined) throw this.#error
  }

  async #put(part: Part): Promise<boolean> {
    const { store, random, abort } = this.#parts
    for (let tries = 1; ; tries++) {
      const outcome = await store.put(part, abort.signal)
      // A try before this one may still hold on to the bytes.
      if (outcome.kind === 'stored') return outcome.wasSent && tries === 1
      if (abort.signal.aborted) throw new UploadAborted()
      if (!outcome.mayRetry || tries === MAX_TRIES) throw new GatewayError(outcome.failure)
      await pause(retryPauseMs(tries, outcome.retryAfterMs, random()), abort.signal)
    }
  }
}
