import {
  type IdempotencyRecord,
  RECORD_LIFE_MS,
  type RecordOf,
  readRecord,
  toEndedRecord,
  toRemainingMs,
  writeRecord,
} from '../../domain/idempotency.ts'
import type { FinishedTask } from '../../domain/task.ts'
import { GatewayError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import type { ServiceLog } from '../service-log.ts'
import type { CreatedTask } from './create-operation.ts'
import { claimTask } from './task-claims.ts'

/** A record and its text in the store, by which it can be replaced as long as no other request has done so. */
export type StoredRecord<Kind extends IdempotencyRecord = IdempotencyRecord> = { record: Kind; text: string }

/** A record is kept with its task's result whatever the room, up to so many characters. */
const SMALL_RECORD_LENGTH = 4096

type KeyRecordDeps = { store: Store; now: () => number; log: ServiceLog }

/** The record of one key in the store: every change is a compare-and-set. Everything throws `store_unavailable`. */
export class KeyRecord {
  readonly #deps: KeyRecordDeps
  readonly #recordKey: string

  constructor(deps: KeyRecordDeps, recordKey: string) {
    this.#deps = deps
    this.#recordKey = recordKey
  }

  async read(): Promise<StoredRecord | undefined> {
    const text = await this.#deps.store.get('idempotency', this.#recordKey)
    if (text === undefined) return undefined
    const record = readRecord(text)
    if (record !== undefined) return { record, text }
    // Whether a task was created under this key is not known, and must not be guessed.
    this.#deps.log.error({}, 'the record of a key is damaged: requests with this key are refused')
    throw new GatewayError({ code: 'store_unavailable' })
  }

  /** Puts `next` in place of `current`, or first; false when another request wrote in the meantime. */
  async replace(current: StoredRecord | undefined, next: StoredRecord): Promise<boolean> {
    const { store, now } = this.#deps
    const livesMs = toRemainingMs(RECORD_LIFE_MS, next.record.startedAtMs, now())
    if (current !== undefined) {
      return store.replace('idempotency', this.#recordKey, current.text, next.text, livesMs)
    }
    const other = await store.claim('idempotency', this.#recordKey, next.text, livesMs)
    return other === undefined
  }

  /** Takes the record away, unless another request wrote in the meantime. */
  async delete({ text }: StoredRecord): Promise<void> {
    await this.#deps.store.delete('idempotency', this.#recordKey, text)
  }

  /** Claims a task for this key; false when another key has it. */
  claimTask(taskID: string, startedAtMs: number): Promise<boolean> {
    return claimTask(this.#deps, this.#recordKey, taskID, startedAtMs)
  }

  /** The task of the record. Its end is kept with the record, once, when it is saved. */
  toTask(stored: StoredRecord<RecordOf<'created' | 'ended'>>, isReplayed: boolean): CreatedTask {
    const { record } = stored
    const { taskID, createdAtMs, answer } = record
    const finished = record.state === 'ended' ? record.end : undefined
    let isSaved = finished !== undefined
    const saveOutcome = (task: FinishedTask): void => {
      const ended = record.state === 'created' && !isSaved ? toEndedRecord(record, task) : undefined
      isSaved = true
      if (ended !== undefined) this.#keepEnd(stored, toStored(ended)).catch(() => {})
    }
    return { taskID, createdAtMs, answer: Buffer.from(answer), isReplayed, finished, saveOutcome }
  }

  /** Upstream can be asked for a result again: large ones must not take the room that keys of others need. */
  async #keepEnd(stored: StoredRecord, ended: StoredRecord): Promise<void> {
    if (ended.text.length > SMALL_RECORD_LENGTH) {
      const { bytes, maxBytes } = await this.#deps.store.usage()
      if (bytes > maxBytes / 2) return
    }
    await this.replace(stored, ended)
  }
}

/** A record with its text, as `KeyRecord` replaces it. */
export function toStored<Kind extends IdempotencyRecord>(record: Kind): StoredRecord<Kind> {
  return { record, text: writeRecord(record) }
}
