import { timingSafeEqual } from 'node:crypto'
import { type Credential, createCookieCredential } from '../../cloud/credential.ts'
import { type CallerRules, PLAIN_RULES, SCOPES } from '../../domain/caller.ts'
import { hashToken } from '../../domain/token.ts'
import { GatewayError } from '../../errors.ts'
import type { CallerRegistry, RegisteredApp } from './caller-registry.ts'
import type { Caller } from './request-context.ts'

/** The credentials in a request, each at most once: a request with two of a kind is refused before. */
type PresentedCredentials = { authorization: string | undefined; cookieToken: string | undefined }

type IdentifyDeps = {
  /** Read again for each request, so that a reload takes effect. */
  callerRegistry: CallerRegistry
  /** The credential for requests without a token; undefined unless GATEWAY_AUTH=none. */
  anyone: Credential | undefined
  cookieMode: boolean
}

/** The caller that sent a request. Throws `unauthenticated`. */
export type Identify = (presented: PresentedCredentials) => Caller

/** A user acts only on its own account, so it has every scope and upstream decides. */
const USER_RULES: CallerRules = { ...PLAIN_RULES, scopes: new Set(SCOPES) }

export function createIdentify(deps: IdentifyDeps): Identify {
  const anyone: Caller | undefined = deps.anyone && {
    id: ':anyone',
    kind: 'anyone',
    rules: PLAIN_RULES,
    credential: deps.anyone,
  }

  return ({ authorization, cookieToken }) => {
    if (authorization !== undefined) {
      // The official clients always send a key. Where no tokens are configured, any value is accepted.
      const { apps } = deps.callerRegistry.current()
      const caller = findApp(apps, authorization) ?? (apps.length === 0 ? anyone : undefined)
      if (caller === undefined) throw unauthenticated('Send a valid gateway token: this one is not known.')
      return caller
    }
    if (deps.cookieMode && cookieToken !== undefined) return toUser(cookieToken)
    if (anyone !== undefined) return anyone
    throw unauthenticated('Send a gateway token: Authorization: Bearer TOKEN.')
  }
}

/** Compares every hash in constant time, so that the duration reveals nothing about any token. */
function findApp(apps: readonly RegisteredApp[], authorization: string): Caller | undefined {
  const presented = hashToken(toToken(authorization))
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
  if (credential === undefined)
    throw unauthenticated('Send a valid oomol-token cookie: this one is malformed.')
  return { id: `user:${credential.id.slice(0, 32)}`, kind: 'user', rules: USER_RULES, credential }
}

function unauthenticated(detail: string): GatewayError {
  return new GatewayError({ code: 'unauthenticated', detail })
}
