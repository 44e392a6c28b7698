import { expect } from 'vitest'
import type { Config } from '../../../src/config/config.ts'
import { ConfigError } from '../../../src/config/config-error.ts'
import { loadConfig } from '../../../src/config/load-config.ts'

export type Env = Record<string, string | undefined>

export const TOKEN_A = 'token-aaaaaaaaaaaaaaaaaaaa'
export const TOKEN_B = 'token-bbbbbbbbbbbbbbbbbbbb'

/** The least that makes a gateway. */
export const BASE: Env = { OOMOL_API_KEY: 'organisation-key', GATEWAY_TOKENS: `billing:${TOKEN_A}` }

/** Files by path, in memory; what is not there fails as the file system does. */
export function fakeFiles(files: Record<string, string>): (path: string) => string {
  return (path) => {
    const text = files[path]
    if (text === undefined) {
      throw Object.assign(new Error(`ENOENT: no such file or directory, open '${path}'`), { code: 'ENOENT' })
    }
    return text
  }
}

/** The configuration of the base, these settings and files. */
export function load(env: Env = {}, files: Record<string, string> = {}): Config {
  return loadConfig({ ...BASE, ...env }, fakeFiles(files))
}

/** The problems of an environment, as `SETTING: message`. */
export function findProblemsOf(env: Env, files: Record<string, string> = {}): string[] {
  try {
    loadConfig(env, fakeFiles(files))
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    return (error as ConfigError).problems.map(({ setting, message }) => `${setting}: ${message}`)
  }
  return []
}

/** The problems of the base with these settings and files on top. */
export function findProblems(env: Env, files: Record<string, string> = {}): string[] {
  return findProblemsOf({ ...BASE, ...env }, files)
}

/** The problems of a YAML file under the base, without the name of the setting. */
export function findFileProblems(yaml: string, env: Env = {}): string[] {
  const problems = findProblems({ ...env, GATEWAY_CONFIG: 'callers.yaml' }, { 'callers.yaml': yaml })
  return problems.map((problem) => {
    expect(problem).toMatch(/^GATEWAY_CONFIG: line \d+: /)
    return problem.replace('GATEWAY_CONFIG: ', '')
  })
}
