import type { Log } from '../domain/log.ts'

/** The log of the services: they only warn the operator. */
export type ServiceLog = Pick<Log, 'warn'>
