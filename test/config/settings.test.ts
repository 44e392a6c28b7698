import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { SETTINGS, type Setting, type SettingName } from '../../src/config/settings.ts'

const names = Object.keys(SETTINGS) as SettingName[]
const readRoot = (name: string): string => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')

it.each(names)('has a default of %s that parses', (name) => {
  const setting: Setting = SETTINGS[name]
  if (setting.default !== undefined) expect(setting.parse(setting.default)).toHaveProperty('value')
  expect(setting.description).not.toBe('')
})

it('is in .env.example: every setting once, in a comment with its default or set to nothing', () => {
  const lines = readRoot('.env.example').match(/^(?:# )?[A-Z][A-Z0-9_]*=.*$/gm)
  const expected = names.map((name) => {
    const setting: Setting = SETTINGS[name]
    return setting.default === undefined ? `${name}=` : `# ${name}=${setting.default}`
  })
  expect(lines?.toSorted()).toEqual(expected.toSorted())
})

it('is in the table of README.md', () => {
  const readme = readRoot('README.md')
  const missing = names.filter((name) => !new RegExp(`^\\| \`${name}\` \\|`, 'm').test(readme))
  expect(missing).toEqual([])
})
