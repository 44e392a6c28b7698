import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  field,
  file,
  formOf,
  postForm,
  type RawPart,
  sha256,
  someBytes,
} from '../../services/files/support/forms.ts'
import { startTestGateway, type TestGateway, TOKEN } from '../../support/gateway.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway({
    emulator: { partSize: 64 * 1024 },
    env: { MAX_BODY_BYTES: '100KiB', GATEWAY_CONFIG: '/callers.yaml' },
    files: {
      '/callers.yaml': `callers: [{ id: runner, tokens: [runner-token-aaaaaaaaaaaaa], scopes: [run], packages: ["*"] }]`,
    },
  })
})
afterAll(() => gateway.close())

const NAMES = [
  field('packageName', '@emulator/basics'),
  field('packageVersion', 'latest'),
  field('blockName', 'echo'),
]
const run = (parts: RawPart[], headers = {}, path = '/run') =>
  postForm(`${gateway.url}${path}`, formOf(parts), headers)
const created = () => JSON.parse(gateway.emulator.requests('create').at(-1)!.body.toString())

async function createsNothing(status: number, parts: RawPart[]) {
  const { create, 'upload-url': finalised } = gateway.emulator.counts()
  const answer = await run(parts)
  expect(answer.status, answer.text).toBe(status)
  expect(gateway.emulator.counts()).toMatchObject({ create, 'upload-url': finalised })
  return answer
}

test('files become inputs, and what was JSON goes up byte for byte', async () => {
  const bytes = someBytes(200_000)
  const answer = await run([
    ...NAMES,
    field('inputValues', ' {"n": 9007199254740993, "x":1e400 } '),
    file('document', 'ä.pdf', bytes),
    file('pages', '1.png', 'one'),
    file('pages', '2.png', 'two'),
  ])
  expect(answer.status, answer.text).toBe(200)
  const body = gateway.emulator.requests('create').at(-1)!.body.toString()
  expect(body).toMatch(
    /"inputValues":\{"n":9007199254740993,"x":1e400,"document":"http.*","pages":\["http.*","http.*"\]\}\}$/,
  )
  const { inputValues } = created()
  const bytesOf = async (url: string) => Buffer.from(await (await fetch(url)).arrayBuffer())
  expect(sha256(await bytesOf(inputValues.document))).toBe(sha256(bytes))
  expect(String(await bytesOf(inputValues.pages[1]))).toBe('two')
})

test('the names may come after the files, and inputs may be left out', async () => {
  expect((await run([file('a', 'a.txt', 'hi'), ...NAMES])).status).toBe(200)
  expect(Object.keys(created().inputValues)).toEqual(['a'])
  expect((await run(NAMES)).status).toBe(200)
  expect(created().inputValues).toEqual({})
})

test('a form without waiting is 202', async () => {
  const answer = await run([...NAMES, file('a', 'a.txt', 'hi')], { prefer: 'respond-async' })
  expect(answer.status).toBe(202)
})

test('events tell how far the uploads are', async () => {
  const bytes = someBytes(150 * 1024)
  const answer = await run([...NAMES, file('value', 'a', bytes)], { accept: 'text/event-stream' })
  const events = answer.text.split('\n\n').map((event) => event.split('\n'))
  const uploads = events
    .filter(([name]) => name === 'event: upload')
    .map(([, json]) => JSON.parse(json!.slice(6)))
  expect(uploads).toHaveLength(3)
  expect(uploads.at(-1)).toEqual({ field: 'value', sent: bytes.length, total: bytes.length })
  expect(uploads.map(({ sent }) => sent)).toEqual(uploads.map(({ sent }) => sent).sort((a, b) => a - b))
  const names = events.map(([name]) => name).filter((name) => name?.startsWith('event'))
  expect(names.indexOf('event: created')).toBe(3)
  expect(names.at(-1)).toBe('event: success')
})

test('a failing upload creates nothing, in every form of answer', async () => {
  const parts = [...NAMES, file('a', 'a', someBytes(100_000))]
  for (const headers of [{}, { prefer: 'respond-async' }, { accept: 'text/event-stream' }]) {
    const before = gateway.emulator.counts().create
    const undo = gateway.emulator.misbehave('part', { kind: 'status', status: 403 }, Infinity)
    const answer = await run(parts, headers)
    undo()
    expect(answer.status).toBe(502)
    expect(gateway.emulator.counts().create).toBe(before)
  }
})

test('a failure after events have begun is the last of them', async () => {
  const before = gateway.emulator.counts().create
  const undo = gateway.emulator.misbehave('upload-url', { kind: 'status', status: 409 }, Infinity)
  const answer = await run([...NAMES, file('a', 'a', 'hi')], { accept: 'text/event-stream' })
  undo()
  expect(answer.status).toBe(200)
  expect(answer.text).toMatch(/event: error\ndata: .*"upstream_rejected".*\n\n$/)
  expect(gateway.emulator.counts().create).toBe(before)
})

test.each<[string, RawPart[]]>([
  ['no names', [file('a', 'a', 'hi')]],
  ['a name too few', [...NAMES.slice(1), file('a', 'a', 'hi')]],
  ['a name twice', [...NAMES, NAMES[0]!, file('a', 'a', 'hi')]],
  ['a name that is none', [...NAMES.slice(1), field('packageName', '../x'), file('a', 'a', 'hi')]],
  ['a field nobody knows', [...NAMES, field('inputvalues', '{}')]],
  ['inputs that are no JSON', [...NAMES, field('inputValues', '{'), file('a', 'a', 'hi')]],
  ['inputs that are no object', [...NAMES, field('inputValues', '[]'), file('a', 'a', 'hi')]],
  ['inputs with a name twice', [...NAMES, field('inputValues', '{"b":1,"b":2}'), file('a', 'a', 'hi')]],
  ['an input that is also a file', [...NAMES, field('inputValues', '{"a":1}'), file('a', 'a', 'hi')]],
  ['another type', [...NAMES, field('type', 'applet'), file('a', 'a', 'hi')]],
  ['a file named __proto__', [...NAMES, file('__proto__', 'a', 'hi')]],
])('nothing is created, nothing finished: %s', async (_what, parts) => {
  const answer = await createsNothing(400, parts)
  expect(answer.json.code).toBe('invalid_request')
})

test('the inputs have the limit of JSON, other fields their own', async () => {
  const inputs = (length: number) => field('inputValues', `{"a":"${'x'.repeat(length - 8)}"}`)
  const { create } = gateway.emulator.counts()
  expect((await run([...NAMES, inputs(90 * 1024)])).status).toBe(200)
  expect(gateway.emulator.counts().create).toBe(create + 1)
  await createsNothing(413, [...NAMES, inputs(100 * 1024 + 1)])
  await createsNothing(413, [...NAMES.slice(1), field('packageName', 'x'.repeat(65_537))])
})

test('who may not upload may not do it by a run', async () => {
  const token = 'runner-token-aaaaaaaaaaaaa'
  const url = `${gateway.url}/run`
  const denied = await postForm(url, formOf([...NAMES, file('a', 'a', 'hi')]), {}, token)
  expect(denied.status).toBe(403)
  expect(denied.json.code).toBe('insufficient_scope')
  expect((await postForm(url, formOf(NAMES), {}, token)).status).toBe(200)
})

test("a browser's FormData runs with a file", async () => {
  const form = new FormData()
  form.append('packageName', '@emulator/basics')
  form.append('packageVersion', 'latest')
  form.append('blockName', 'echo')
  form.append('value', new File(['hello'], '文.txt'))
  const response = await fetch(`${gateway.url}/run`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}` },
    body: form,
  })
  expect(response.status).toBe(200)
  const result = (await response.json()) as { resultData: { value: string }[] }
  expect(await (await fetch(result.resultData[0]!.value)).text()).toBe('hello')
})
