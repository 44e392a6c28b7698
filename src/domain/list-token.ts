import { createHash } from 'node:crypto'

/**
 * Where the list of a caller that sees only some of the tasks goes on: upstream's own token (undefined: the
 * first page), and marks of the tasks already given that upstream may show again after it.
 */
export type ListPosition = { upstreamToken: string | undefined; given: readonly string[] }

/** What our own tokens begin with; the number is the version of what follows. */
const PREFIX = 'gw1.'
const MARK_BYTES = 6
/** A page of upstream's has no more tasks, so no more need to be remembered. */
const MAX_MARKS = 100

/** A short stand-in for a task's id: of a hundred tasks, two share one less than once in ten billion pages. */
export function toTaskMark(taskID: string): string {
  return createHash('sha256').update(taskID).digest().subarray(0, MARK_BYTES).toString('base64url')
}

/**
 * The `nextToken` for a position: upstream's own where nothing needs to be remembered, else ours. It holds
 * nothing secret and needs no signature: tampered with, it can ask upstream for a page that anyone may ask
 * for, or hide tasks from its own caller.
 */
export function toListToken({ upstreamToken, given }: ListPosition): string {
  if (given.length === 0 && upstreamToken !== undefined && !upstreamToken.startsWith(PREFIX)) {
    return upstreamToken
  }
  const marks = given.slice(-MAX_MARKS).join('')
  return `${PREFIX}${marks}.${Buffer.from(upstreamToken ?? '').toString('base64url')}`
}

/** Reads what `toListToken` wrote, and upstream's own tokens; undefined for what neither of them is. */
export function parseListToken(token: string): ListPosition | undefined {
  if (!token.startsWith(PREFIX)) return { upstreamToken: token, given: [] }
  const [marks = '', encoded = '', ...rest] = token.slice(PREFIX.length).split('.')
  const upstreamToken = Buffer.from(encoded, 'base64url').toString('utf8')
  const given = marks.match(/[\w-]{8}/g) ?? []
  const position = { upstreamToken: upstreamToken === '' ? undefined : upstreamToken, given }
  // Whatever is not written exactly as we write it is not ours.
  const isOurs = rest.length === 0 && given.length <= MAX_MARKS && toListToken(position) === token
  return isOurs ? position : undefined
}
