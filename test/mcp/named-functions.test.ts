import type { CallToolResult } from '@modelcontextprotocol/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LIMITED_TOKEN, lastCreate, startWithFunctions } from '../services/functions/setup.ts'
import type { TestGateway } from '../support/gateway.ts'
import { connectClient, said } from './client.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startWithFunctions()
})
afterAll(() => gateway.close())

test('each named function is a tool with its schema, for whom it is allowed', async () => {
  const client = await connectClient(gateway, { token: LIMITED_TOKEN })
  const { tools } = await client.listTools()
  const typed = tools.find(({ name }) => name === 'typed')
  expect(typed?.description).toContain('Says what it is told.')
  expect(typed?.inputSchema.required).toEqual(['text'])
  expect(Object.keys(typed?.inputSchema.properties ?? {})).not.toContain('note')
  expect(tools.map(({ name }) => name)).toContain('echo')
  expect(tools.map(({ name }) => name)).not.toContain('hold')
  await client.close()
})

test('a tool call is checked and filled in like a run', async () => {
  const client = await connectClient(gateway, { token: LIMITED_TOKEN })
  const done = (await client.callTool({ name: 'typed', arguments: { text: 'x' } })) as CallToolResult
  expect(said(done)).toMatchObject({ status: 'success', resultData: [{ text: 'x', note: "it's fixed" }] })
  expect(lastCreate(gateway)).toContain('"packageVersion":"1.1.0"')
  const creates = gateway.emulator.counts().create
  const refused = (await client.callTool({
    name: 'typed',
    arguments: { text: 1, note: 'mine' },
  })) as CallToolResult
  expect(refused.isError).toBe(true)
  expect(JSON.stringify(refused)).toContain('/note')
  expect(JSON.stringify(refused)).toContain('/text')
  expect(gateway.emulator.counts().create).toBe(creates)
  await client.close()
})
