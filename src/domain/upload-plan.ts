import { isJsonObject } from './json.ts'
import { isUploadID } from './names.ts'

/** The most that S3 and compatible stores take. */
const MAX_PARTS = 10_000

/** The largest part that S3 and compatible stores take; beyond, upstream is wrong. */
const MAX_PART_SIZE_BYTES = 5 * 2 ** 30

/** Parts are held in memory to be sent again, so the bound for those is lower. */
const MAX_HELD_PART_BYTES = 64 * 2 ** 20

const MAX_URL_LENGTH = 16 * 1024

/** Where the parts of an upload go: parts 1 to `totalParts`, each `partSizeBytes` but the last. */
export type UploadPlan = {
  readonly uploadID: string
  readonly sizeBytes: number
  readonly partSizeBytes: number
  readonly totalParts: number
  /** The presigned URLs, part 1 first. */
  readonly partUrls: readonly URL[]
}

/** The size of part `number` (from 1). */
export function partBytes(plan: UploadPlan, number: number): number {
  return Math.min(plan.partSizeBytes, plan.sizeBytes - (number - 1) * plan.partSizeBytes)
}

/**
 * Reads upstream's answer to an init for a file of `sizeBytes`; undefined when it can't be right. Checks
 * every number before anything is allocated by it.
 */
export function toUploadPlan(
  answer: unknown,
  sizeBytes: number,
  options: { allowInsecure: boolean },
): UploadPlan | undefined {
  const data = isJsonObject(answer) ? answer.data : undefined
  if (!isJsonObject(data)) return undefined
  const {
    upload_id: uploadID,
    part_size: partSizeBytes,
    total_parts: totalParts,
    presigned_urls: urls,
  } = data
  if (typeof uploadID !== 'string' || !isUploadID(uploadID)) return undefined
  if (!isWholeNumber(partSizeBytes, 1, MAX_PART_SIZE_BYTES)) return undefined
  // Whether a file of no bytes has one empty part or none is not documented.
  const fewest = Math.ceil(sizeBytes / partSizeBytes)
  if (!isWholeNumber(totalParts, fewest, Math.max(1, fewest)) || totalParts > MAX_PARTS) return undefined
  if (Math.min(partSizeBytes, sizeBytes) > MAX_HELD_PART_BYTES || !isJsonObject(urls)) return undefined
  const partUrls: URL[] = []
  for (let number = 1; number <= totalParts; number++) {
    const url = toPartUrl(urls[number], options)
    if (url === undefined) return undefined
    partUrls.push(url)
  }
  return { uploadID, sizeBytes, partSizeBytes, totalParts, partUrls }
}

function isWholeNumber(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
}

/** Checks the form only; the address is checked when it is connected to. */
function toPartUrl(text: unknown, { allowInsecure }: { allowInsecure: boolean }): URL | undefined {
  if (typeof text !== 'string' || text.length > MAX_URL_LENGTH || !URL.canParse(text)) return undefined
  const url = new URL(text)
  const isAllowed = url.protocol === 'https:' || (allowInsecure && url.protocol === 'http:')
  return isAllowed && url.username === '' && url.password === '' ? url : undefined
}
