import { hashToken } from '../../src/domain/token.ts'

/** The three callers of the tests: a service that may do all, a frontend with two functions, an agent with one package. */
export const TOKENS = {
  service: 'test-token-of-the-service',
  frontend: 'test-token-of-the-frontend',
  agent: 'test-token-of-the-agent',
} as const
export type CallerName = keyof typeof TOKENS
export const CALLERS = Object.keys(TOKENS) as CallerName[]

const FRONTEND_ORIGIN = 'https://app.example'

const THREE_CALLERS = `
callers:
  - id: service
    tokens: ["${TOKENS.service}"]
    scopes: [run, "tasks:read", "tasks:read:all", "files:write", "queue:read", "queue:write"]
    packages: ["*"]
    functions: ["*"]
  - id: frontend
    tokenSha256: ["${hashToken(TOKENS.frontend).toString('hex')}"]
    scopes: [run, "tasks:read"]
    functions: [shout, whisper]
    origins: ["${FRONTEND_ORIGIN}"]
  - id: agent
    tokens: ["${TOKENS.agent}"]
    scopes: [run, "tasks:read"]
    packages: ["@emulator/basics@1.*"]
functions:
  - name: shout
    package: "@emulator/basics"
    version: "1.1.0"
    block: echo
  - name: whisper
    package: "@emulator/basics"
    version: "1.1.0"
    block: echo
  - name: secret
    package: "@emulator/basics"
    version: "1.1.0"
    block: echo
`

/** What a test gateway is started with to have them. */
export const WITH_THREE_CALLERS = {
  env: { GATEWAY_CONFIG: 'callers.yaml', GATEWAY_TOKENS: undefined },
  files: { 'callers.yaml': THREE_CALLERS },
}
