import { describe, expect, it } from 'vitest'
import { ask, call, start } from './client.ts'

type Handle = { handle: string; json_schema?: Record<string, unknown>; nullable?: boolean; value?: unknown }
type Block = { blockName: string; inputHandleDefs: Handle[]; outputHandleDefs: Handle[] }

const INFO = '/-/oomol/package-info'
const BASICS = encodeURIComponent('@emulator/basics')

describe('the registry', () => {
  it('describes a version, and which is the latest', async () => {
    const emulator = await start()
    const old = await ask('GET', `${emulator.registryUrl}${INFO}/${BASICS}/1.0.0?lang=en`)
    const latest = await ask('GET', `${emulator.registryUrl}${INFO}/${BASICS}/latest`)
    expect(old.json).toMatchObject({
      packageName: '@emulator/basics',
      packageVersion: '1.0.0',
      title: 'Basics',
      description: expect.any(String),
    })
    expect(latest.json.packageVersion).toBe('1.1.0')
    const names = ({ json }: { json: { blocks: Block[] } }) => json.blocks.map(({ blockName }) => blockName)
    expect(names(old)).toEqual(['echo', 'sleep', 'fail'])
    expect(names(latest)).toEqual(['echo', 'sleep', 'fail', 'hold', 'typed'])
    const [oldEcho, newEcho] = [old.json.blocks[0], latest.json.blocks[0]]
    expect(oldEcho.inputHandleDefs).toEqual([{ handle: 'value' }])
    expect(newEcho.inputHandleDefs[0]).toMatchObject({ handle: 'value', nullable: true, value: null })
    expect(emulator.counts()).toMatchObject({ 'package-info': 2, unknown: 0 })
  })

  it('has handles of every kind in the typed block', async () => {
    const emulator = await start()
    const { json } = await ask('GET', `${emulator.url}${INFO}/${BASICS}/latest`)
    const typed: Block = json.blocks.find(({ blockName }: Block) => blockName === 'typed')
    const schemas = typed.inputHandleDefs.map(({ json_schema = {} }) => json_schema)
    expect(new Set(schemas.map(({ type }) => type))).toEqual(
      new Set(['string', 'integer', 'number', 'array', 'object', undefined]),
    )
    expect(schemas.map(({ contentMediaType }) => contentMediaType)).toEqual(
      expect.arrayContaining(['oomol/image', 'oomol/credential']),
    )
    expect(schemas.some((schema) => 'ui:widget' in schema && 'ui:options' in schema)).toBe(true)
    expect(schemas.some((schema) => 'enum' in schema)).toBe(true)
    const required = typed.inputHandleDefs.filter(
      ({ json_schema, nullable, value }) =>
        (value ?? null) === null && json_schema?.default === undefined && !(nullable && value === null),
    )
    expect(required.map(({ handle }) => handle)).toEqual(['text'])
  })

  it.each(['@emulator/files', 'greet'])('knows %s', async (name) => {
    const emulator = await start()
    const { json } = await ask('GET', `${emulator.url}${INFO}/${encodeURIComponent(name)}/latest`)
    expect(json.packageName).toBe(name)
    for (const block of json.blocks) {
      expect(Object.keys(block)).toEqual([
        'blockName',
        'title',
        'description',
        'inputHandleDefs',
        'outputHandleDefs',
      ])
    }
  })

  it.each(['nobody/latest', `${BASICS}/9.9.9`, '__proto__/latest', 'greet/__proto__'])(
    'does not know %s',
    async (path) => {
      const emulator = await start()
      const { status, json } = await ask('GET', `${emulator.url}${INFO}/${path}`)
      expect([status, typeof json.message]).toEqual([404, 'string'])
    },
  )

  it('shows what a test publishes', async () => {
    const emulator = await start()
    const blocks = [{ blockName: 'b', inputHandleDefs: [{ handle: 'é' }], outputHandleDefs: [] }]
    emulator.publish({ packageName: '@mine/own', packageVersion: '0.1.0', blocks })
    const { json } = await ask('GET', `${emulator.url}${INFO}/%40mine%2Fown/latest`)
    expect(json).toMatchObject({ packageName: '@mine/own', packageVersion: '0.1.0', blocks })
  })

  it('refuses strangers', async () => {
    const emulator = await start()
    expect((await call('GET', `${emulator.url}${INFO}/greet/latest`, { authorization: null })).status).toBe(
      401,
    )
  })
})
