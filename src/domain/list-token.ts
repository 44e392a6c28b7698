import { createHash } from 'node:crypto'

/**
 * Where the next page begins for a caller that sees only some of the tasks: upstream's own token (undefined:
 * the first page), and marks of tasks that were already given and that upstream may show again after it.
 */
export type ListPosition = { upstreamToken: string | undefined; given: readonly string[] }

/** The prefix of our own tokens; its number is the version of the format. */
const PREFIX = 'gw1.'
const MARK_BYTES = 6
/** A page of upstream has at most that many tasks, so no more need to be remembered. */
const MAX_MARKS = 100

/** A short hash of a task's id: two of a hundred tasks share one less than once in ten billion pages. */
export function toTaskMark(taskID: string): string {
  return createHash('sha256').update(taskID).digest().subarray(0, MARK_BYTES).toString('base64url')
}

/**
 * The `nextToken` for a position: upstream's own where nothing needs to be remembered, else ours. It holds
 * nothing secret and needs no signature: tampered with, it can only ask upstream for a page that every caller
 * may ask for, or hide tasks from its own caller.
 */
export function toListToken({ upstreamToken, given }: ListPosition): string {
  if (given.length === 0 && upstreamToken !== undefined && !upstreamToken.startsWith(PREFIX)) {
    return upstreamToken
  }
  const marks = given.slice(-MAX_MARKS).join('')
  return `${PREFIX}${marks}.${Buffer.from(upstreamToken ?? '').toString('base64url')}`
}

/** Reads what `toListToken` wrote, and upstream's own tokens; undefined for any other text. */
export function parseListToken(token: string): ListPosition | undefined {
  if (!token.startsWith(PREFIX)) return { upstreamToken: token, given: [] }
  const [marks = '', encoded = '', ...rest] = token.slice(PREFIX.length).split('.')
  const upstreamToken = Buffer.from(encoded, 'base64url').toString('utf8')
  const given = marks.match(/[\w-]{8}/g) ?? []
  const position = { upstreamToken: upstreamToken === '' ? undefined : upstreamToken, given }
  // A token that we would write differently is not ours.
  const isOurs = rest.length === 0 && given.length <= MAX_MARKS && toListToken(position) === token
  return isOurs ? position : undefined
}
