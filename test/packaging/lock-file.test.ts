import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

type Entry = { version?: string; resolved?: string; optionalDependencies?: Record<string, string> }

const text = readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')
const packages = (JSON.parse(text) as { packages: Record<string, Entry> }).packages

/*
 * `npm install` leaves out what it could not find for a platform that is not its own, and `npm ci` then refuses
 * the whole lock file wherever that can't be found either.
 */
test('the lock file holds every optional package, whatever platform it is for', () => {
  const missing = Object.entries(packages).flatMap(([path, entry]) =>
    Object.keys(entry.optionalDependencies ?? {}).filter(
      (name) =>
        packages[`node_modules/${name}`] === undefined &&
        packages[`${path}/node_modules/${name}`] === undefined,
    ),
  )
  expect(missing).toEqual([])
})

test('the lock file names no registry', () => {
  expect(text).not.toMatch(/"resolved"/)
})
