import { startTestGateway, type TestGateway, type TestGatewayOptions } from '../../support/gateway.ts'
import { type Answer, send } from '../../support/http.ts'

export const LIMITED_TOKEN = 'test-token-cccccccccccccccc'
export const READER_TOKEN = 'test-token-dddddddddddddddd'

/** Functions over the emulator's packages, and two callers beside `app` and `other`: one with a rule, one that runs nothing. */
const FUNCTIONS = `
callers:
  - id: limited
    tokens: ["${LIMITED_TOKEN}"]
    packages: []
    functions: ["typed", "ec*"]
  - id: reader
    tokens: ["${READER_TOKEN}"]
    scopes: ["tasks:read"]
    functions: ["*"]
functions:
  - name: typed
    package: "@emulator/basics"
    version: "1.1.0"
    block: typed
    description: Says what it is told.
    inputs: { format: webp, tags: [a] }
    fixed: { note: "it's fixed", ratio: 0.25 }
  - name: echo
    package: "@emulator/basics"
    version: latest
    block: echo
  - name: hold
    package: "@emulator/basics"
    version: "1.1.0"
    block: hold
    wait: 300ms
  - name: special
    package: "@test/special"
    version: latest
    block: special
`

export async function startWithFunctions(options: TestGatewayOptions = {}): Promise<TestGateway> {
  return startTestGateway({
    ...options,
    env: { GATEWAY_CONFIG: 'gateway.yaml', ...options.env },
    files: { 'gateway.yaml': FUNCTIONS, ...options.files },
  })
}

/** Runs a function with inputs as text or as an object. */
export function run(
  gateway: TestGateway,
  name: string,
  inputs: object | string = {},
  options: { token?: string | null; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const body = typeof inputs === 'string' ? inputs : JSON.stringify(inputs)
  const headers = { 'content-type': 'application/json', ...options.headers }
  return send(`${gateway.url}/run/${name}`, { ...options, body, headers })
}

/** The body of the last create as it reached upstream. */
export function lastCreate(gateway: TestGateway): string {
  return gateway.emulator.requests('create').at(-1)?.body.toString('utf8') ?? 'no create'
}

/** Publishes a block with these inputs as `special` of `@test/special`. */
export function publishSpecial(
  gateway: TestGateway,
  inputHandleDefs: object[],
  packageVersion = '1.0.0',
): void {
  gateway.emulator.publish({
    packageName: '@test/special',
    packageVersion,
    blocks: [
      {
        blockName: 'special',
        inputHandleDefs: inputHandleDefs as { handle: string }[],
        outputHandleDefs: [{ handle: 'done', json_schema: { type: 'boolean' } }],
      },
    ],
  })
}
