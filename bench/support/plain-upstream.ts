import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/* An upstream that costs next to nothing: every GET is the same task, every POST creates it. */

const CREATED = Buffer.from('{"taskID":"019234a5-b678-7def-8123-456789abcdef"}')
const DETAIL = Buffer.from(
  JSON.stringify({
    taskID: '019234a5-b678-7def-8123-456789abcdef',
    taskType: 'user',
    ownerID: 'owner',
    status: 'running',
    progress: 40,
    workload: 'serverless',
    workloadID: '@acme/pdf:summarise',
    createdAt: 1_700_000_000_000,
    updatedAt: 1_700_000_001_000,
  }),
)

const server = createServer((request, response) => {
  const body = request.method === 'GET' ? DETAIL : CREATED
  request.resume()
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
  response.end(body)
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => console.log(`listening ${(server.address() as AddressInfo).port}`))
