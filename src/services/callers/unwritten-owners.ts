import type { ServiceLog } from '../service-log.ts'

/** Well within the time in which a task counts as not written down yet (`recordingMs` of a search). */
const RETRY_MS = 250
/** About 20 MB. */
const MAX_UNWRITTEN = 100_000
/** Written at the same time, so that they share a commit. */
const WRITTEN_AT_ONCE = 1000

/**
 * Owners that the store did not take: they are remembered, and written once it takes one again. Its timer keeps
 * no process alive.
 */
export class UnwrittenOwners {
  readonly #write: (taskID: string, owner: string) => Promise<void>
  readonly #log: ServiceLog
  readonly #maxUnwritten: number
  readonly #owners = new Map<string, string>()
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(
    write: (taskID: string, owner: string) => Promise<void>,
    log: ServiceLog,
    maxUnwritten: number = MAX_UNWRITTEN,
  ) {
    this.#write = write
    this.#log = log
    this.#maxUnwritten = maxUnwritten
  }

  get(taskID: string): string | undefined {
    return this.#owners.get(taskID)
  }

  /** When there are too many, it is lost, and the log says whose task it is. */
  add(taskID: string, owner: string): void {
    if (this.#owners.size >= this.#maxUnwritten && !this.#owners.has(taskID)) {
      this.#log.error(
        { taskID, caller: owner },
        'an owner is lost: the store is away, and too many wait for it',
      )
      return
    }
    this.#owners.set(taskID, owner)
    this.#schedule()
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    const left = this.#owners.size
    if (left > 0) this.#log.error({ tasks: left }, 'owners are lost: the store did not take them to the end')
  }

  #schedule(): void {
    if (this.#isClosed || this.#timer !== undefined || this.#owners.size === 0) return
    this.#timer = setTimeout(() => this.#retry(), RETRY_MS).unref()
  }

  async #retry(): Promise<void> {
    // One alone first: a store that is away is not asked a thousand times.
    for (let count = 1; this.#owners.size > 0; count = WRITTEN_AT_ONCE) {
      const some = takeFirst(this.#owners, count)
      const written = await Promise.all(some.map(([taskID, owner]) => this.#tryOne(taskID, owner)))
      if (written.includes(false)) break
    }
    this.#timer = undefined
    this.#schedule()
  }

  async #tryOne(taskID: string, owner: string): Promise<boolean> {
    try {
      await this.#write(taskID, owner)
      if (this.#owners.get(taskID) === owner) this.#owners.delete(taskID)
      return true
    } catch {
      return false
    }
  }
}

function takeFirst(owners: ReadonlyMap<string, string>, count: number): [string, string][] {
  const some: [string, string][] = []
  for (const entry of owners) if (some.push(entry) === count) break
  return some
}
