import { afterEach, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../../support/gateway.ts'
import { file, formOf, postForm, someBytes } from './support/forms.ts'

const MIB = 1024 * 1024
const started: TestGateway[] = []
afterEach(async () => {
  for (const one of started.splice(0)) await one.close()
})

test('uploads that all read ahead do not wait for each other until none can go on', {
  timeout: 30_000,
}, async () => {
  const gateway = await startTestGateway({
    emulator: { partSize: 16 * MIB },
    uploadMemoryBytes: 32 * MIB,
    deadlines: { uploadRoomMs: 4_000 },
  })
  started.push(gateway)
  const form = formOf([file('a', 'a', someBytes(20 * MIB))])
  const answers = await Promise.all(Array.from({ length: 6 }, () => postForm(`${gateway.url}/files`, form)))
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201))
  expect(gateway.gateway.uploads.heldBytes).toBe(0)
})
