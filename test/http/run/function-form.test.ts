import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { lastCreate, publishSpecial, startWithFunctions } from '../../services/functions/setup.ts'
import type { TestGateway } from '../../support/gateway.ts'
import { send } from '../../support/http.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startWithFunctions()
  const uri = { type: 'string', format: 'uri' }
  publishSpecial(gateway, [
    { handle: 'file', json_schema: uri },
    { handle: 'more', json_schema: { type: 'array', items: uri }, value: [] },
    { handle: 'count', json_schema: { type: 'integer' }, value: 1 },
    { handle: 'size', json_schema: { type: 'string' }, value: 'A4' },
    { handle: 'flag', json_schema: { type: 'boolean' }, nullable: true, value: null },
  ])
})
afterAll(() => gateway.close())
beforeEach(() => gateway.emulator.resetCounts())

type Part = { name: string; text: string; filename?: string }

async function submit(name: string, parts: Part[], headers: Record<string, string> = {}) {
  const boundary = 'test-boundary'
  const body = parts
    .map(({ name: field, text, filename }) => {
      const file = filename === undefined ? '' : `; filename="${filename}"\r\nContent-Type: text/plain`
      return `--${boundary}\r\nContent-Disposition: form-data; name="${field}"${file}\r\n\r\n${text}\r\n`
    })
    .join('')
  return send(`${gateway.url}/run/${name}`, {
    body: `${body}--${boundary}--\r\n`,
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}`, ...headers },
  })
}

const inputsSent = () => JSON.parse(lastCreate(gateway)).inputValues

test('text fields are typed by the schema, files are uploaded and become their URLs', async () => {
  const answer = await submit('special', [
    { name: 'count', text: '9007199254740993' },
    { name: 'size', text: '5' },
    { name: 'flag', text: 'true' },
    { name: 'file', text: 'hello', filename: 'a.txt' },
    { name: 'more', text: 'one', filename: 'b.txt' },
    { name: 'more', text: 'two', filename: 'c.txt' },
  ])
  expect(answer.status).toBe(200)
  expect(answer.headers['x-package-version']).toBe('1.0.0')
  expect(lastCreate(gateway)).toContain('"count":9007199254740993')
  const { file, more, size, flag } = inputsSent()
  expect([size, flag, more.length]).toEqual(['5', true, 2])
  const texts = await Promise.all([file, ...more].map(async (url: string) => (await fetch(url)).text()))
  expect(texts).toEqual(['hello', 'one', 'two'])
})

test('a field that does not fit is 400 with its path, and nothing is created', async () => {
  const answer = await submit('special', [
    { name: 'count', text: 'three' },
    { name: 'flag', text: 'yes' },
    { name: 'file', text: 'hello', filename: 'a.txt' },
  ])
  expect(answer.status).toBe(400)
  expect(answer.json.errors).toEqual([
    { path: '/count', message: 'must be integer, written as JSON' },
    { path: '/flag', message: 'must be boolean or null, written as JSON' },
  ])
  const unknown = await submit('special', [{ name: 'other', text: 'hello', filename: 'a.txt' }])
  expect(unknown.json.errors).toEqual([
    { path: '/other', message: 'is not known' },
    { path: '/file', message: 'is required' },
  ])
  expect(gateway.emulator.counts().create).toBe(0)
})

test('a fixed input can not be set by a field, be it a text or a file', async () => {
  for (const part of [
    { name: 'note', text: 'mine' },
    { name: 'note', text: 'mine', filename: 'a.txt' },
  ]) {
    const answer = await submit('typed', [{ name: 'text', text: 'x' }, part])
    expect(answer.json.errors).toEqual([{ path: '/note', message: 'is not known' }])
  }
  expect(gateway.emulator.counts().create).toBe(0)
})

test('a form may be followed by events, uploads included', async () => {
  const answer = await submit('special', [{ name: 'file', text: 'hello', filename: 'a.txt' }], {
    accept: 'text/event-stream',
  })
  expect(answer.text).toMatch(/^event: upload[\s\S]*event: created[\s\S]*event: success/)
  expect(gateway.logs.filter(({ level }) => Number(level) >= 50)).toEqual([])
})
