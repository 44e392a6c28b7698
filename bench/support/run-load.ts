import { Agent, request } from 'undici'

/*
 * The callers of the runs benchmark, in a process of their own: `run-load.ts WAY URL COUNT FROM TO`. As
 * `gateway` each run is one request that waits; as `sdk` it is a create and then a poll every 3 s, which is
 * what the official SDKs do. The last line of output is a `LoadReport` as JSON.
 */

/** `answers`: id of the task, when its answer was there (epoch ms), and whether it was right. */
export type LoadReport = { answers: [taskID: string, atMs: number, isRight: boolean][] }

const [way = '', url = '', count = '', from = '', to = ''] = process.argv.slice(2)
const SDK_INTERVAL_MS = 3_000
const CREATES_AT_ONCE = 50
const dispatcher = new Agent({
  connections: way === 'gateway' ? null : 256,
  connect: { timeout: 60_000 },
  headersTimeout: 0,
  bodyTimeout: 0,
})

type Json = { taskID: string; status: string; resultData?: { value?: unknown }[] }

async function call(path: string, token: string, body?: object): Promise<Json> {
  const answer = await request(url + path, {
    dispatcher,
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  })
  const json = (await answer.body.json()) as Json
  if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode}: ${JSON.stringify(json)}`)
  return json
}

function bodyOf(index: number): object {
  const total = Number(count)
  // Every length once, in a fixed disorder.
  const rank = (index * 7919) % total
  const seconds = Number(from) + ((Number(to) - Number(from)) * (rank + 0.5)) / total
  const inputValues = { seconds, value: index }
  return { packageName: '@emulator/basics', packageVersion: 'latest', blockName: 'sleep', inputValues }
}

async function viaGateway(index: number): Promise<LoadReport['answers'][number]> {
  const { taskID, resultData } = await call('/run?wait=300', 'bench-token-aaaaaaaaaaaaaaaa', bodyOf(index))
  return [taskID, Date.now(), resultData?.[0]?.value === index]
}

async function viaSdk(index: number): Promise<LoadReport['answers'][number]> {
  const path = '/v3/users/me/tasks'
  const { taskID } = await call(path, 'emulator-key', { type: 'serverless', ...bodyOf(index) })
  for (;;) {
    const { status, resultData } = await call(`${path}/${taskID}/result`, 'emulator-key')
    if (status === 'success') return [taskID, Date.now(), resultData?.[0]?.value === index]
    await new Promise((resolve) => setTimeout(resolve, SDK_INTERVAL_MS))
  }
}

const runs: Promise<LoadReport['answers'][number]>[] = []
for (let index = 0; index < Number(count); index++) {
  runs.push(way === 'gateway' ? viaGateway(index) : viaSdk(index))
  if (runs.length % CREATES_AT_ONCE === 0) await new Promise((resolve) => setTimeout(resolve, 50))
}
const report: LoadReport = { answers: await Promise.all(runs) }
console.log(JSON.stringify(report))
await dispatcher.destroy()
