import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load-config.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { send } from '../support/http.ts'

const EXAMPLE_MS = 10_000
const TOKEN = 'readme-token-aaaaaaaaaaaaaa'

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
const yaml = /```yaml\n(callers:.*?)```/s.exec(readme)?.[1] ?? ''

/** The file of the README, and a caller that may do all. */
const CALLERS = `${yaml.replace(
  'callers:',
  `callers:
  - id: reader
    tokens: ["${TOKEN}"]
    scopes: [run, tasks:read, files:write, queue:read, queue:write]
    packages: ["*"]
    functions: ["*"]`,
)}`

const SECRETS = { WEB_TOKEN: 'web-token-bbbbbbbbbbbbbbbbbb', OTHER_OOMOL_KEY: 'emulator-key' }

/** Every curl of the README: in blocks, where a command may go over lines, and in tables. */
const blocks = [...readme.matchAll(/^ *```sh\n(.*?)^ *```/gms)].map((match) => match[1] ?? '')
const commands = [
  ...blocks
    .filter((block) => /^ *curl /m.test(block))
    .flatMap((block) => block.trim().split(/\n(?= *curl )/)),
  ...[...readme.matchAll(/`(curl .*?)` *\|$/gm)].map((match) => match[1] ?? ''),
]

let gateway: TestGateway
let folder: string
let variables: Record<string, string>

beforeAll(async () => {
  gateway = await startTestGateway({
    env: { GATEWAY_CONFIG: 'gateway.yaml', GATEWAY_TOKENS: undefined, ...SECRETS },
    files: { 'gateway.yaml': CALLERS },
  })
  gateway.emulator.publish({
    packageName: '@acme/pdf',
    packageVersion: '1.4.0',
    title: 'PDF',
    description: 'Works on PDFs.',
    blocks: [
      {
        blockName: 'summarise',
        title: 'Summarise',
        description: 'Summarises a PDF.',
        inputHandleDefs: [
          { handle: 'document', json_schema: { type: 'string' }, nullable: true, value: null },
          { handle: 'language', json_schema: { type: 'string' }, nullable: true, value: null },
          { handle: 'model', json_schema: { type: 'string' }, nullable: true, value: null },
        ],
        outputHandleDefs: [],
      },
    ],
  })
  folder = mkdtempSync(join(tmpdir(), 'oomol-gateway-readme-'))
  writeFileSync(join(folder, 'report.pdf'), '%PDF-1.7 a report')
  variables = {
    GATEWAY: gateway.url,
    AUTH: `Authorization: Bearer ${TOKEN}`,
    JSON: 'Content-Type: application/json',
    ID: await createTask(),
    UPLOAD: await upload(),
  }
})
afterAll(async () => {
  await gateway.close()
  rmSync(folder, { recursive: true })
})

async function createTask(): Promise<string> {
  const body = { packageName: '@acme/pdf', packageVersion: '1.4.0', blockName: 'summarise' }
  return (await send(`${gateway.url}/run`, { token: TOKEN, body })).json.taskID
}

/** An upload whose one part is there, by the native routes. */
async function upload(): Promise<string> {
  const init = await send(`${gateway.url}/api/tasks/files/remote-cache/init`, {
    token: TOKEN,
    body: { file_extension: '.pdf', size: 4 },
  })
  const { upload_id, presigned_urls } = init.json.data
  await send(presigned_urls['1'], { method: 'PUT', token: null, body: Buffer.from('%PDF') })
  return upload_id
}

/** What an example leaves to the reader. */
function fillIn(command: string): string {
  const names = '"packageName": "@acme/pdf", "packageVersion": "1.4.0", "blockName": "summarise"'
  return command
    .replace("-d '…'", `-d '{${names}}'`)
    .replace('"packageName": "…", "packageVersion": "…", "blockName": "…"', names)
}

test('the callers of the README are a configuration', () => {
  const env = { OOMOL_API_KEY: 'key', GATEWAY_CONFIG: 'gateway.yaml', ...SECRETS }
  const config = loadConfig(env, () => yaml)
  expect(config.callers.map(({ id }) => id)).toEqual(['web'])
  expect(config.functions.map(({ name }) => name)).toEqual(['summarise'])
})

const hasCurl = spawnSync('curl', ['--version']).status === 0

test.runIf(hasCurl).each(commands)('%s', async (command) => {
  const shell = spawn(
    'sh',
    ['-c', `curl() { command curl -sS --fail-with-body --max-time 10 "$@"; }\n${fillIn(command)}`],
    {
      cwd: folder,
      env: { PATH: process.env.PATH ?? '', ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let output = ''
  for (const stream of [shell.stdout, shell.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk) => {
      output += chunk
    })
  }
  const deadline = setTimeout(() => shell.kill('SIGKILL'), EXAMPLE_MS)
  const code = await new Promise((resolve) => shell.once('close', resolve))
  clearTimeout(deadline)
  expect([code, output]).toEqual([0, expect.stringMatching(/[{[]/)])
  expect(output).not.toContain('event: failed')
  expect(output).not.toContain('event: error')
})

test('the README has an example of most routes', () => {
  expect(commands.length).toBeGreaterThan(25)
})
