import type { Part, PartUploader } from '../../cloud/part-uploader.ts'
import { retryPauseMs } from '../../domain/retry.ts'
import { GatewayError } from '../../errors.ts'
import { pause, UploadAborted } from './abort.ts'

/** Parts of one upload in memory or under way at the same time. */
const MAX_PARTS_AT_ONCE = 4

/** How often a part is sent before the upload is given up. */
const MAX_TRIES = 3

type PartSenderDeps = {
  partUploader: PartUploader
  /** From 0 to 1, for the jitter of pauses. */
  random: () => number
  /** Ends everything when it aborts; aborted when a part fails. */
  abort: AbortController
  /** Called after each part that was stored, with that part's size. */
  onStored: (bytes: number) => void
}

/** Sends the parts of one upload side by side. The first part that fails ends all the others. */
export class PartSender {
  readonly #deps: PartSenderDeps
  #freeSlots = MAX_PARTS_AT_ONCE
  #underWay = 0
  #error: unknown
  #wake: (() => void) | undefined

  constructor(deps: PartSenderDeps) {
    this.#deps = deps
  }

  /** Waits for a slot for one more part. Throws what a part failed with. */
  async acquireSlot(): Promise<void> {
    await this.#until(() => this.#freeSlots > 0)
    this.#freeSlots -= 1
  }

  /**
   * Sends a part in the slot acquired for it. `release` is called when the part is done, stored or not;
   * `wasSent`: none of its bytes is on its way any more.
   */
  send(part: Part, release: (wasSent: boolean) => void): void {
    this.#underWay += 1
    this.#put(part).then(
      (wasSent) => {
        release(wasSent)
        this.#releaseSlot()
        this.#deps.onStored(part.bytes)
      },
      (error: unknown) => {
        this.#error ??= error
        this.#deps.abort.abort()
        release(false)
        this.#releaseSlot()
      },
    )
  }

  /** Whether parts are on their way. */
  get isUnderWay(): boolean {
    return this.#underWay > 0
  }

  #releaseSlot(): void {
    this.#underWay -= 1
    this.#freeSlots += 1
    this.#wake?.()
  }

  /** Resolves when every part that was sent is stored. Throws what a part failed with. */
  finish(): Promise<void> {
    return this.#until(() => this.#freeSlots === MAX_PARTS_AT_ONCE)
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
    const { partUploader, random, abort } = this.#deps
    for (let tries = 1; ; tries++) {
      const outcome = await partUploader.put(part, abort.signal)
      // A try before this one may still hold on to the bytes.
      if (outcome.kind === 'stored') return outcome.wasSent && tries === 1
      if (abort.signal.aborted) throw new UploadAborted()
      if (!outcome.mayRetry || tries === MAX_TRIES) throw new GatewayError(outcome.failure)
      await pause(retryPauseMs(tries, outcome.retryAfterMs, random()), abort.signal)
    }
  }
}
