/** What a caller asks for with the Prefer header (RFC 7240); malformed preferences are ignored. */
type Preferences = { respondAsync: boolean; waitSeconds: number | undefined }

/** How long a request waits, in milliseconds, and whether it asked for that itself. */
export type Wait = { ms: number; asked: boolean }

/** Milliseconds: the wait of requests that name none, and the longest. */
export type WaitLimits = { defaultMs: number; maxMs: number }

/** Reads `respond-async` and `wait` (whole seconds). The first of a repeated preference counts. */
export function parsePrefer(header: string | undefined): Preferences {
  const preferences: Preferences = { respondAsync: false, waitSeconds: undefined }
  for (const preference of (header ?? '').split(',')) {
    const [token = ''] = preference.split(';')
    const [name = '', ...values] = token.split('=').map((part) => part.trim())
    const value = values.join('=')
    if (name.toLowerCase() === 'respond-async' && !token.includes('=')) preferences.respondAsync = true
    const seconds = /^"?(\d{1,15})"?$/.exec(value)?.[1]
    if (name.toLowerCase() === 'wait' && seconds !== undefined) preferences.waitSeconds ??= Number(seconds)
  }
  return preferences
}

/** Seconds from a query value such as `30`, `0.5` or `1e9`; undefined when it is not a number of seconds. */
export function parseWaitSeconds(text: string): number | undefined {
  if (!/^\d{1,15}(\.\d{1,9})?(e\d{1,2})?$/i.test(text)) return undefined
  return Number(text)
}

/** The wait to use: what the request asks for, clamped, or the default. The query takes precedence over the header. */
export function chooseWait(
  querySeconds: number | undefined,
  preferSeconds: number | undefined,
  limits: WaitLimits,
): Wait {
  const seconds = querySeconds ?? preferSeconds
  if (seconds === undefined) return { ms: Math.min(limits.defaultMs, limits.maxMs), asked: false }
  return { ms: Math.min(seconds * 1000, limits.maxMs), asked: true }
}
