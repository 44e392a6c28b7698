import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ConfigError, formatConfigProblems } from '../../src/config/config-error.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import { SETTINGS } from '../../src/config/settings.ts'
import { BASE, type Env, fakeFiles } from './support/problems.ts'

/*
 * A secret in the wrong place: whatever setting or field it was put into, no message may repeat it. It comes
 * in several shapes, so that each parser gets past its first checks with one of them.
 */
const CANARY = 'cAnArY-3f9a'
const STATUS_BY_CODE = [
  CANARY,
  `${CANARY} ${CANARY}`,
  `${CANARY}\u0007\n`,
  `https://user:${CANARY}@host.example/?${CANARY}#${CANARY}`,
  `http://${CANARY}.example/${CANARY}`,
  `a:${CANARY},${CANARY},b:${CANARY}${CANARY}${CANARY},b:${CANARY}${CANARY}${CANARY}`,
  `redis://:${CANARY}@host`,
  `${CANARY}*${CANARY}@${CANARY}*`,
  `\${${CANARY}}`,
  `5${CANARY}`,
]

/** Everything that could be printed of what went wrong; empty if nothing did. */
function collectPrints(env: Env, files: Record<string, string> = {}): string {
  try {
    loadConfig(env, fakeFiles(files))
    return ''
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return `${formatConfigProblems(error)} ${inspect(error, { depth: 10 })} ${JSON.stringify(error.problems)}`
  }
}

describe('no message repeats a value', () => {
  it.each(Object.keys(SETTINGS))('of %s', (name) => {
    const prints = STATUS_BY_CODE.map((shape) => collectPrints({ ...BASE, [name]: shape }))
    expect(prints.some((print) => print.includes(name))).toBe(true)
    for (const print of prints) expect(print).not.toContain(CANARY)
  })

  it.each(['OOMOL_API_KEY', 'GATEWAY_TOKENS'])('of the file that is given instead of %s', (name) => {
    for (const shape of STATUS_BY_CODE) {
      const env = { ...BASE, [name]: undefined, [`${name}_FILE`]: 'f' }
      expect(collectPrints(env, { f: shape })).not.toContain(CANARY)
    }
  })

  it('of an unknown setting', () => {
    expect(collectPrints({ ...BASE, GATEWAY_SECRET: CANARY })).toMatch(/GATEWAY_SECRET: is not a setting/)
    expect(collectPrints({ ...BASE, GATEWAY_SECRET: CANARY })).not.toContain(CANARY)
  })

  const places = [
    (x: string) => `callers: ${x}`,
    (x: string) => `${x}: 1`,
    (x: string) => `callers: [{ ${x}: 1 }]`,
    (x: string) => `callers: [{ id: ${x}, tokens: [${x}, ${x}], tokenSha256: [${x}], apiKey: ${x} }]`,
    (x: string) => `callers: [{ id: ${x}, tokens: ${x} }, { id: ${x}, tokens: ${x} }]`,
    (x: string) => `callers: [{ scopes: [${x}], packages: [${x}], functions: [${x}], origins: [${x}] }]`,
    (x: string) => `callers: [{ limits: { ${x}: 1, uploadBytes: ${x}, concurrentRuns: ${x} } }]`,
    (x: string) =>
      `functions: [{ name: ${x}, package: ${x}, version: ${x}, block: ${x}, wait: ${x}, ${x}: 1 }]`,
    (x: string) => `functions: [{ inputs: { ${x}: .nan }, fixed: { ${x}: [.nan, ${x}] } }]`,
    (x: string) => `functions: ${x}\n${x}: ${x}\n${x}: ${x}\n&${x} *${x} !${x} ${x}`,
    (x: string) => `callers: *${CANARY}\nfunctions: !${CANARY} ${x}`,
  ]
  it.each(places)('of a place in the YAML file (%#)', (place) => {
    for (const shape of STATUS_BY_CODE) {
      for (const text of [shape, JSON.stringify(shape), `"\${CANARY_VARIABLE}"`]) {
        const env = { ...BASE, CANARY_VARIABLE: shape, GATEWAY_CONFIG: 'f' }
        const print = collectPrints(env, { f: place(text) })
        expect(print).toContain('GATEWAY_CONFIG')
        expect(print).not.toContain(CANARY)
      }
    }
  })
})
