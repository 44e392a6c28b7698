import type { Log } from '../domain/log.ts'

/** The log of the services: they only tell the operator what is out of order. */
export type ServiceLog = Log
