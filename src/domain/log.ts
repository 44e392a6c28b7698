/** What we write to the operator's log with; a pino logger is one. Take a `Pick` of the levels that are used. */
export type Log = Record<'warn' | 'error', (details: object, message: string) => void>
