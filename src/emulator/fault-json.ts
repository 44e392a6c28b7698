import { isObject } from './api-request.ts'
import type { Fault } from './faults.ts'

type Check = (value: unknown) => boolean

const isString: Check = (value) => typeof value === 'string'
const isAmount: Check = (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0
const isStatus: Check = (value) => Number.isInteger(value) && Number(value) >= 100 && Number(value) <= 9999
const isHeaders: Check = (value) => isObject(value) && Object.values(value).every(isString)
const isStage = oneOf('before-processing', 'before-answer')

function oneOf(...allowed: string[]): Check {
  return (value) => allowed.some((known) => known === value)
}

function optional(check: Check): Check {
  return (value) => value === undefined || check(value)
}

const WHEN = { when: optional(isStage) }

/** The members of each fault that JSON can express. */
const FAULTS: Readonly<Record<Exclude<Fault['kind'], 'gate' | 'slow-read'>, Record<string, Check>>> = {
  status: { status: isStatus, body: optional(isString), headers: optional(isHeaders), ...WHEN },
  delay: { ms: isAmount, ...WHEN },
  hang: WHEN,
  reset: { when: oneOf('before-processing', 'before-answer', 'mid-answer') },
  'no-answer-close': WHEN,
  drip: { intervalMs: isAmount },
  'tiny-chunks': {},
  html: { status: optional(isStatus), ...WHEN },
  'truncated-json': {},
  'invalid-json': {},
  redirect: { location: isString, status: optional(isStatus), ...WHEN },
  gzip: {},
  huge: { bytes: isAmount },
  'endless-103': { intervalMs: isAmount, ...WHEN },
  'unknown-status': { status: isString },
  'early-answer': { status: isStatus },
  lag: { ms: isAmount },
  order: { order: oneOf('newest-first', 'oldest-first', 'shuffled') },
}

/** Reads a fault from JSON; a string says what is wrong with it. */
export function parseFault(value: unknown): Fault | string {
  if (!isObject(value) || typeof value.kind !== 'string') return 'fault must be an object with a kind'
  const { kind } = value
  if (!isKind(kind)) return 'fault.kind is not known, or cannot be set over HTTP'
  const checks = FAULTS[kind]
  for (const [name, check] of Object.entries(checks)) {
    if (!check(value[name])) return `fault.${name} is missing or wrong`
  }
  const unknown = Object.keys(value).find((name) => name !== 'kind' && !Object.hasOwn(checks, name))
  if (unknown !== undefined) return `fault.${unknown} is not known`
  return value as Fault
}

function isKind(kind: string): kind is keyof typeof FAULTS {
  return Object.hasOwn(FAULTS, kind)
}
