import { createHash } from 'node:crypto'
import type { CreateRequest } from './create-request.ts'
import { digestInputs, type InputDigest } from './input-digest.ts'
import { isJsonObject } from './json.ts'
import type { FinishedTask } from './task.ts'

/** How long a key is remembered, from its first use. */
export const RECORD_LIFE_MS = 24 * 60 * 60 * 1000

/**
 * What is left of a life that began at `startedAtMs`, in milliseconds; at least 1, and never longer than the
 * life, whatever the clock shows.
 */
export function toRemainingMs(lifeMs: number, startedAtMs: number, nowMs: number): number {
  return Math.round(Math.min(Math.max(startedAtMs + lifeMs - nowMs, 1), lifeMs))
}

/** Larger results are not kept with their key: upstream is asked for them again. */
const MAX_KEPT_RESULT_BYTES = 1024 * 1024
/** The answer to a create is an id and little more; a larger one is written by us. */
const MAX_KEPT_ANSWER_BYTES = 64 * 1024

/** What a create was meant to create, so that its task can be known again in a list. */
export type Intent = {
  packageName: string
  packageVersion: string
  blockName: string
  inputs: InputDigest | undefined
}

/**
 * What is kept of one key. `creating`: written before the create is sent; `process` is the one that sends
 * it, and `attempt` a random id, so that no two attempts write the same text. `unknown`: the attempt is over, at `endedAtMs` at the latest, and its outcome was not seen.
 * `created`: the task exists. `ended`: the task exists, and `end` is how it ended.
 */
export type IdempotencyRecord = { fingerprint: string; startedAtMs: number } & (
  | { state: 'creating'; process: string; attempt: string; intent: Intent }
  | { state: 'unknown'; endedAtMs: number; intent: Intent }
  | ({ state: 'created' } & KeptTask)
  | ({ state: 'ended'; end: FinishedTask } & KeptTask)
)

export type RecordOf<State extends IdempotencyRecord['state']> = Extract<IdempotencyRecord, { state: State }>

/** A task under its key. `answer` is upstream's to the create. */
type KeptTask = { taskID: string; createdAtMs: number; answer: string }

/** Where a key of a caller is kept: no two callers share one, and neither caller nor key can be read off it. */
export function toRecordKey(callerID: string, key: string): string {
  return `key:${createHash('sha256').update(`${callerID}\n${key}`).digest('base64url')}`
}

/** What the task of a create is searched by, should its outcome be lost. */
export function toIntent(request: CreateRequest): Intent {
  const { packageName, packageVersion, blockName, inputValues } = request
  const inputs = inputValues === undefined ? {} : JSON.parse(inputValues.toString('utf8'))
  return { packageName, packageVersion, blockName, inputs: digestInputs(inputs) }
}

/** The record once the attempt is over without an outcome. `endedAtMs`: when it was over at the latest. */
export function toUnknownRecord(
  { fingerprint, startedAtMs, intent }: RecordOf<'creating'>,
  endedAtMs: number,
): RecordOf<'unknown'> {
  return { state: 'unknown', fingerprint, startedAtMs, intent, endedAtMs }
}

/** The record once its task exists. `answer` is upstream's to the create. */
export function toCreatedRecord(
  { fingerprint, startedAtMs }: RecordOf<'creating' | 'unknown'>,
  { taskID, createdAtMs, answer }: { taskID: string; createdAtMs: number; answer: Buffer },
): RecordOf<'created'> {
  const kept = { taskID, createdAtMs, answer: toKeptAnswer(taskID, answer) }
  return { state: 'created', fingerprint, startedAtMs, ...kept }
}

/** Upstream's answer to a create as it is kept: its own bytes, unless they are too many or no text. */
function toKeptAnswer(taskID: string, answer: Buffer): string {
  const text = answer.toString('utf8')
  const isKept = answer.length <= MAX_KEPT_ANSWER_BYTES && Buffer.from(text).equals(answer)
  return isKept ? text : JSON.stringify({ taskID })
}

/** The record once its task has finished; undefined when the result is too large to be kept. */
export function toEndedRecord(record: RecordOf<'created'>, end: FinishedTask): RecordOf<'ended'> | undefined {
  const isSmall =
    end.kind === 'failed' || end.resultURL.length + (end.resultData?.length ?? 0) <= MAX_KEPT_RESULT_BYTES
  return isSmall ? { ...record, state: 'ended', end } : undefined
}

type WrittenEnd =
  | { kind: 'success'; resultURL: string; resultData?: string | undefined }
  | Extract<FinishedTask, { kind: 'failed' }>

/** A record as text for the store. */
export function writeRecord(record: IdempotencyRecord): string {
  if (record.state !== 'ended') return JSON.stringify(record)
  const { end } = record
  const written: WrittenEnd =
    end.kind === 'failed'
      ? end
      : { kind: 'success', resultURL: end.resultURL.toString(), resultData: end.resultData?.toString() }
  return JSON.stringify({ ...record, end: written })
}

/** A record from its text, which `writeRecord` made; undefined when the text is not a record. */
export function readRecord(text: string): IdempotencyRecord | undefined {
  const record = parseRecord(text)
  if (record?.state !== 'ended') return record
  const end = record.end as unknown as WrittenEnd
  if (end.kind === 'failed') return { ...record, end }
  const resultData = end.resultData === undefined ? undefined : Buffer.from(end.resultData)
  return { ...record, end: { kind: 'success', resultURL: Buffer.from(end.resultURL), resultData } }
}

function parseRecord(text: string): IdempotencyRecord | undefined {
  try {
    const record: unknown = JSON.parse(text)
    return isRecord(record) ? record : undefined
  } catch {
    return undefined
  }
}

/** Whether each member is there that whoever reads such a record relies on. */
function isRecord(record: unknown): record is IdempotencyRecord {
  if (!isJsonObject(record) || !isText(record.fingerprint) || !isTime(record.startedAtMs)) return false
  switch (record.state) {
    case 'creating':
      return isText(record.process) && isText(record.attempt) && isIntent(record.intent)
    case 'unknown':
      return isTime(record.endedAtMs) && isIntent(record.intent)
    case 'created':
      return isKeptTask(record)
    case 'ended':
      return isKeptTask(record) && isEnd(record.end)
    default:
      return false
  }
}

function isIntent(intent: unknown): boolean {
  if (!isJsonObject(intent)) return false
  const { packageName, packageVersion, blockName, inputs } = intent
  const isDigest = inputs === undefined || (isJsonObject(inputs) && Object.values(inputs).every(isText))
  return isText(packageName) && isText(packageVersion) && isText(blockName) && isDigest
}

function isKeptTask({ taskID, createdAtMs, answer }: Record<string, unknown>): boolean {
  return isText(taskID) && isTime(createdAtMs) && typeof answer === 'string'
}

function isEnd(end: unknown): boolean {
  if (!isJsonObject(end)) return false
  const { kind, message, quota, resultURL, resultData } = end
  if (kind === 'failed') return typeof message === 'string' && typeof quota === 'boolean'
  const isData = resultData === undefined || typeof resultData === 'string'
  return kind === 'success' && typeof resultURL === 'string' && isData
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

function isTime(value: unknown): boolean {
  return Number.isSafeInteger(value)
}
