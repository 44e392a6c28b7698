import { lookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { buildConnector } from 'undici'
import { isPublicAddress } from './public-address.ts'

/** A connection to an address that is not public, or not over https, was refused. */
export class ForbiddenAddressError extends Error {
  override readonly name = 'ForbiddenAddressError'
  readonly code = 'FORBIDDEN_ADDRESS'
}

/**
 * Makes connections upstream: certificates are always verified, whatever the environment says, and unless
 * `allowInsecure` is set, only public addresses over https are allowed. The address that is checked is the one
 * connected to, so DNS rebinding does not help. Fails with `ForbiddenAddressError`.
 */
export function createConnector(options: {
  allowInsecure: boolean
  connectTimeoutMs: number
}): buildConnector.connector {
  const connect = buildConnector({
    timeout: options.connectTimeoutMs,
    rejectUnauthorized: true,
    ...(options.allowInsecure ? {} : { lookup: lookupPublic }),
  })
  if (options.allowInsecure) return connect
  return (target, callback) => {
    const host = target.hostname.replace(/^\[|\]$/g, '')
    // A literal address is not resolved, so `lookupPublic` would not see it.
    if (target.protocol !== 'https:' || (isIP(host) && !isPublicAddress(host))) {
      callback(new ForbiddenAddressError('not https, or not a public address'), null)
      return
    }
    connect(target, callback)
  }
}

const lookupPublic: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    const allowed = error ? [] : addresses.filter(({ address }) => isPublicAddress(address))
    const [first] = allowed
    if (error || first === undefined) {
      callback(error ?? new ForbiddenAddressError('no public address'), '', 0)
    } else if (options.all) callback(null, allowed)
    else callback(null, first.address, first.family)
  })
}
