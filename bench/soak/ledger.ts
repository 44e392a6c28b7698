/** What callers were told during a soak, to be held against what upstream was asked to make. */
export class Ledger {
  readonly #statuses = new Map<string, number>()
  /** The tasks that each key was answered with; more than one is a fault. */
  readonly #tasksByKey = new Map<number, Set<string>>()
  /** The last refusal of each key that has no task yet. */
  readonly #openKeys = new Map<number, string>()
  readonly #answeredTasks = new Set<string>()

  /** `what` is a status, or why there was no answer. */
  count(kind: string, what: string | number): void {
    const name = `${kind} ${what}`
    this.#statuses.set(name, (this.#statuses.get(name) ?? 0) + 1)
  }

  begin(key: number): void {
    if (!this.#tasksByKey.has(key)) this.#openKeys.set(key, 'not answered')
  }

  refuse(key: number, why: string): void {
    if (this.#openKeys.has(key)) this.#openKeys.set(key, why)
  }

  answer(taskID: string | undefined, key?: number): void {
    if (taskID === undefined) return
    this.#answeredTasks.add(taskID)
    if (key === undefined) return
    this.#openKeys.delete(key)
    const tasks = this.#tasksByKey.get(key) ?? new Set()
    this.#tasksByKey.set(key, tasks.add(taskID))
  }

  get openKeys(): number[] {
    return [...this.#openKeys.keys()]
  }

  /** Counts of answers, by kind of request and status. */
  get lines(): string[] {
    return [...this.#statuses].sort().map(([name, count]) => `${name}: ${count}`)
  }

  /** Everything that contradicts what upstream made; and the numbers, for people. */
  judge(tasks: readonly MadeTask[]): { problems: string[]; summary: string } {
    const problems: string[] = []
    const made = new Map<string, number>()
    const madeByKey = new Map<number, string[]>()
    for (const { taskID, key } of tasks) {
      made.set(taskID, (made.get(taskID) ?? 0) + 1)
      if (key !== undefined) madeByKey.set(key, [...(madeByKey.get(key) ?? []), taskID])
    }
    for (const [key, ids] of madeByKey) {
      if (ids.length > 1) problems.push(`key ${key} was paid ${ids.length} times: ${ids.join(', ')}`)
    }
    for (const [key, ids] of this.#tasksByKey) {
      const own = madeByKey.get(key) ?? []
      if (ids.size > 1)
        problems.push(`key ${key} was answered with ${ids.size} tasks: ${[...ids].join(', ')}`)
      for (const id of ids)
        if (!own.includes(id)) problems.push(`key ${key} was answered with ${id}, not its own`)
    }
    for (const id of this.#answeredTasks) {
      if (made.get(id) !== 1) problems.push(`task ${id} was answered and exists ${made.get(id) ?? 0} times`)
    }
    const unknown = [...this.#openKeys.values()].filter((why) => why === 'create_outcome_unknown').length
    for (const [key, why] of this.#openKeys) {
      if (why !== 'create_outcome_unknown') problems.push(`key ${key} has no answer: ${why}`)
    }
    const keys = this.#tasksByKey.size + this.#openKeys.size
    const summary = `${tasks.length} tasks were created; ${keys} keys, of which ${madeByKey.size} have a task and ${unknown} stayed create_outcome_unknown; ${this.#answeredTasks.size} tasks were answered`
    return { problems, summary }
  }
}

/** A task of upstream's. `key`: that of the request that asked for it, if it had one. */
export type MadeTask = { taskID: string; key: number | undefined }
