import { createHash, timingSafeEqual } from 'node:crypto'
import { type Credential, createCookieCredential } from '../../cloud/credential.ts'
import { type CallerRules, PLAIN_SCOPES, SCOPES } from '../../domain/caller.ts'
import { GatewayError } from '../../errors.ts'
import type { CallerRegistry, RegisteredApp } from './caller-registry.ts'
import type { Caller } from './request-context.ts'

/** What a request says of who sent it. Each at most once: two of a kind were refused before. */
export type PresentedCredentials = { authorization: string | undefined; cookieToken: string | undefined }

export type IdentifyOptions = {
  /** Read anew for each request. */
  directory: CallerRegistry
  /** The credential of whoever comes without a token; undefined unless GATEWAY_AUTH=none. */
  anyone: Credential | undefined
  cookieMode: boolean
}

/** Tells who sent a request; throws `unauthenticated`. */
export type Identify = (presented: PresentedCredentials) => Caller

const EVERYTHING = { packages: ['*'], functions: ['*'], origins: [], limits: {} } as const

/** A user acts on its own account alone, so upstream decides; every scope, none of them the organisation's. */
const USER_RULES: CallerRules = { ...EVERYTHING, scopes: new Set(SCOPES) }

export function createIdentify(options: IdentifyOptions): Identify {
  const anyone: Caller | undefined = options.anyone && {
    id: ':anyone',
    kind: 'anyone',
    rules: { ...EVERYTHING, scopes: new Set(PLAIN_SCOPES) },
    credential: options.anyone,
  }

  return ({ authorization, cookieToken }) => {
    if (authorization !== undefined) {
      // Clients insist on sending some key: where no token is known, whatever they send means nothing.
      const { apps } = options.directory.current()
      const caller = findApp(apps, authorization) ?? (apps.length === 0 ? anyone : undefined)
      if (caller === undefined) throw unauthenticated('The token is not known here.')
      return caller
    }
    if (options.cookieMode && cookieToken !== undefined) return toUser(cookieToken)
    if (anyone !== undefined) return anyone
    throw unauthenticated('A token is needed: Authorization: Bearer TOKEN.')
  }
}

/** Every hash is compared, each in constant time: how long it takes tells nothing about any token. */
function findApp(apps: readonly RegisteredApp[], authorization: string): Caller | undefined {
  const presented = createHash('sha256').update(toToken(authorization)).digest()
  let found: RegisteredApp | undefined
  for (const app of apps) {
    for (const hash of app.tokenHashes) if (timingSafeEqual(hash, presented)) found = app
  }
  return found && { id: found.id, kind: 'app', rules: found.rules, credential: found.credential }
}

/** `Bearer TOKEN`, or the bare `TOKEN` that the CLI sends. */
function toToken(authorization: string): string {
  return /^bearer +(.*)$/i.exec(authorization)?.[1] ?? authorization
}

function toUser(cookieToken: string): Caller {
  const credential = createCookieCredential(cookieToken)
  if (credential === undefined) throw unauthenticated('The oomol-token cookie is not one.')
  return { id: `user:${credential.id.slice(0, 32)}`, kind: 'user', rules: USER_RULES, credential }
}

function unauthenticated(detail: string): GatewayError {
  return new GatewayError({ code: 'unauthenticated', detail })
}
