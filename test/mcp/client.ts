import { type CallToolResult, Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { OTHER_TOKEN, type TestGateway, TOKEN } from '../support/gateway.ts'

/** The version without sessions, and ones before it that clients still speak. */
export const VERSIONS = ['2026-07-28', '2025-11-25', '2025-03-26'] as const
export type Version = (typeof VERSIONS)[number]

export { OTHER_TOKEN, TOKEN }

/** The official client, speaking one version only. */
export async function connectClient(
  gateway: TestGateway,
  { version = '2026-07-28', token = TOKEN }: { version?: Version; token?: string } = {},
): Promise<Client> {
  const client = new Client(
    { name: 'test', version: '1.0.0' },
    version === '2026-07-28'
      ? { versionNegotiation: { mode: { pin: version } } }
      : { supportedProtocolVersions: [version] },
  )
  const requestInit = { headers: { authorization: `Bearer ${token}` } }
  await client.connect(new StreamableHTTPClientTransport(new URL(`${gateway.url}/mcp`), { requestInit }))
  return client
}

/** What a tool said as text, parsed. */
export function said(result: CallToolResult): Record<string, unknown> {
  const [content] = result.content
  if (content?.type !== 'text') throw new Error('the result has no text')
  return JSON.parse(content.text)
}
