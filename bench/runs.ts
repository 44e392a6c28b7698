import { execFileSync, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import { type BenchProcess, residentMib, startNode } from './support/processes.ts'
import type { LoadReport } from './support/run-load.ts'

const TOKEN = 'bench-token-aaaaaaaaaaaaaaaa'
const MANY = 10_000
/** Descriptors in addition to one for each run: upstream, the store, the process itself. */
const SPARE_DESCRIPTORS = 1_000
const FEW = 10
const FEW_ROUNDS = 5
const PROBE_INTERVAL_MS = 50
const WARM_UP_ROUNDS = 10

type Way = 'gateway' | 'sdk'
type Load = { way: Way; url: string; count: number; seconds: readonly [from: number, to: number] }
type Measured = {
  delays: number[]
  right: number
  /** Requests that reached upstream after all tasks were created, creates not among them. */
  requests: number
  memory?: { idleMib: number; waitingMib: number; peakMib: number }
  probes?: { livez: number[]; read: number[] }
}

/**
 * `npm run bench -- runs [count]`: waiting for very many runs and for a few, through the gateway and by the
 * loop of the official SDKs, which polls each task every 3 s. Gateway, emulator and callers are processes
 * of their own.
 */
export async function benchRuns([wanted = String(MANY)]: readonly string[]): Promise<void> {
  const count = withinDescriptors(Number(wanted))
  console.log(`${count} runs of 1 to 60 s, all waiting at once; POLL_RATE is the default`)
  const gateway = await measureAtOnce('gateway', count, [1, 60])
  const sdk = await measureAtOnce('sdk', count, [1, 60])
  printMany(count, gateway, sdk)

  console.log(`\n${FEW} runs of 0.3 to 3 s, ${FEW_ROUNDS} rounds`)
  const few = { gateway: await measureFew('gateway'), sdk: await measureFew('sdk') }
  const medians = { gateway: median(few.gateway), sdk: median(few.sdk) }
  printDelays('gateway', few.gateway)
  printDelays('sdk', few.sdk)
  printTarget('median delay against the SDKs', medians.gateway / medians.sdk, 0.2)
}

function printMany(count: number, gateway: Measured, sdk: Measured): void {
  console.log(`answered correctly: gateway ${gateway.right} of ${count}, sdk ${sdk.right} of ${count}`)
  const { idleMib = 0, waitingMib = 0, peakMib = 0 } = gateway.memory ?? {}
  console.log(`gateway's RSS: idle ${mib(idleMib)}, all waiting ${mib(waitingMib)}, peak ${mib(peakMib)}`)
  printTarget('KiB of RSS for each waiting run', ((waitingMib - idleMib) * 1024) / count, 20)
  console.log(
    `  the same at the peak, while they are answered: ${(((peakMib - idleMib) * 1024) / count).toFixed(2)}`,
  )
  const perRun = { gateway: gateway.requests / count, sdk: sdk.requests / count }
  console.log(
    `requests upstream for each run, beside its create: gateway ${perRun.gateway.toFixed(2)}, sdk ${perRun.sdk.toFixed(2)}`,
  )
  printTarget('requests against the SDKs', perRun.gateway / perRun.sdk, 0.2)
  printTarget('the same with the creates', (perRun.gateway + 1) / (perRun.sdk + 1), 0.2)
  printDelays('gateway', gateway.delays)
  printDelays('sdk', sdk.delays)
  printTarget('median delay against the SDKs', median(gateway.delays) / median(sdk.delays), 1)
  for (const [name, times] of Object.entries(gateway.probes ?? {})) {
    console.log(
      `${name} meanwhile: median ${quantile(times, 0.5).toFixed(1)} ms, 99th percentile ${quantile(times, 0.99).toFixed(1)} ms (${times.length} requests)`,
    )
  }
}

/** All tasks are created while the queue is paused, and released at the same moment: so all wait at once. */
async function measureAtOnce(way: Way, count: number, seconds: readonly [number, number]): Promise<Measured> {
  return withProcesses(way, async ({ emulatorUrl, url, gateway }) => {
    await callUpstream(emulatorUrl, '/v3/user/pause')
    const idleMib = gateway === undefined ? 0 : await settledMib(gateway.pid)
    const { create: created } = await readCounts(emulatorUrl)
    const report = startLoad({ way, url, count, seconds })
    await createdAtLeast(emulatorUrl, created + count)
    await sleep(2_000)
    const waitingMib = gateway === undefined ? 0 : residentMib(gateway.pid)
    await callUpstream(emulatorUrl, '/_emulator/reset')
    const probes = gateway === undefined ? undefined : startProbes(url, gateway.pid)
    await callUpstream(emulatorUrl, '/v3/user/resume')
    const { answers } = await report
    const probed = await probes?.stop()
    const counts = await readCounts(emulatorUrl)
    console.log(`${way}: ${counts.list} pages of the list, ${counts.result} polls by id`)
    const measured = await toMeasured(emulatorUrl, answers, counts.list + counts.result)
    if (probed === undefined) return measured
    const { peakMib, ...times } = probed
    return { ...measured, memory: { idleMib, waitingMib, peakMib }, probes: times }
  })
}

async function measureFew(way: Way): Promise<number[]> {
  return withProcesses(way, async ({ emulatorUrl, url }) => {
    const delays: number[] = []
    for (let round = 0; round < FEW_ROUNDS; round++) {
      const { answers } = await startLoad({ way, url, count: FEW, seconds: [0.3, 3] })
      delays.push(...(await toMeasured(emulatorUrl, answers, 0)).delays)
    }
    return delays
  })
}

type Running = { emulatorUrl: string; url: string; gateway: BenchProcess | undefined }

async function withProcesses<T>(way: Way, work: (running: Running) => Promise<T>): Promise<T> {
  const emulator = await startNode('bench/support/bench-emulator.ts', { sign: 'url' })
  const { url: emulatorUrl } = JSON.parse(emulator.firstLine) as { url: string }
  let gateway: BenchProcess | undefined
  try {
    if (way === 'sdk') return await work({ emulatorUrl, url: emulatorUrl, gateway })
    gateway = await startGateway(emulatorUrl)
    const { msg } = JSON.parse(gateway.firstLine) as { msg: string }
    const url = /http:\S+/.exec(msg)?.[0] ?? ''
    // What the first requests set up is not a cost of waiting.
    for (let round = 0; round < WARM_UP_ROUNDS; round++) {
      await Promise.all(Array.from({ length: 100 }, () => callGateway(url, '/run', { blockName: 'echo' })))
    }
    return await work({ emulatorUrl, url, gateway })
  } finally {
    await gateway?.stop()
    await emulator.stop()
  }
}

function startGateway(emulatorUrl: string): Promise<BenchProcess> {
  const env = {
    PORT: '0',
    OOMOL_API_KEY: 'emulator-key',
    OOMOL_BASE_URL: emulatorUrl,
    OOMOL_ALLOW_INSECURE: 'true',
    GATEWAY_TOKENS: `bench:${TOKEN}`,
    STORE_URL: 'memory:',
    LOG_LEVEL: 'info',
  }
  return startNode('src/main.ts', { env, sign: 'istening' })
}

function startLoad({ way, url, count, seconds }: Load): Promise<LoadReport> {
  const args = [
    '--import',
    'tsx',
    'bench/support/run-load.ts',
    way,
    url,
    String(count),
    ...seconds.map(String),
  ]
  const load = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let last = ''
  createInterface({ input: load.stdout }).on('line', (line) => {
    last = line
  })
  return new Promise((resolve, reject) => {
    load.once('error', reject)
    load.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(last) as LoadReport)
      else reject(new Error(`the callers ended with ${code}`))
    })
  })
}

/** `/livez` and a plain read in turns, and the most memory meanwhile, until stopped. */
function startProbes(url: string, pid: number) {
  const times = { livez: [] as number[], read: [] as number[] }
  let peakMib = 0
  let isStopped = false
  const probe = async () => {
    const { taskID } = await callGateway(url, '/tasks', { blockName: 'echo' })
    while (!isStopped) {
      times.livez.push(await timed(() => callGateway(url, '/livez')))
      times.read.push(await timed(() => callGateway(url, `/tasks/${taskID}`)))
      peakMib = Math.max(peakMib, residentMib(pid))
      await sleep(PROBE_INTERVAL_MS)
    }
  }
  const done = probe()
  return {
    stop: async () => {
      isStopped = true
      await done
      return { ...times, peakMib }
    },
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

async function toMeasured(
  emulatorUrl: string,
  answers: LoadReport['answers'],
  requests: number,
): Promise<Measured> {
  const { tasks } = (await callUpstream(emulatorUrl, '/_emulator/tasks', 'GET')) as {
    tasks: { taskID: string; endTime: number }[]
  }
  const ends = new Map(tasks.map(({ taskID, endTime }) => [taskID, endTime]))
  const delays = answers.map(([taskID, atMs]) => atMs - (ends.get(taskID) ?? Number.NaN))
  return { delays, requests, right: answers.filter(([, , isRight]) => isRight).length }
}

async function createdAtLeast(emulatorUrl: string, count: number): Promise<void> {
  while ((await readCounts(emulatorUrl)).create < count) await sleep(200)
}

function readCounts(emulatorUrl: string): Promise<Record<'create' | 'list' | 'result', number>> {
  return callUpstream(emulatorUrl, '/_emulator/counts', 'GET') as Promise<
    Record<'create' | 'list' | 'result', number>
  >
}

async function settledMib(pid: number): Promise<number> {
  await sleep(1_000)
  return residentMib(pid)
}

async function callUpstream(url: string, path: string, method: 'GET' | 'POST' = 'POST'): Promise<unknown> {
  const headers = { authorization: 'Bearer emulator-key', 'content-type': 'application/json' }
  const answer = await request(url + path, { method, headers, body: method === 'POST' ? '{}' : null })
  return answer.body.json()
}

async function callGateway(
  url: string,
  path: string,
  run?: { blockName: string },
): Promise<{ taskID: string }> {
  const body = run && JSON.stringify({ packageName: '@emulator/basics', packageVersion: 'latest', ...run })
  const answer = await request(url + path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    body: body ?? null,
  })
  return answer.body.json() as Promise<{ taskID: string }>
}

/** Each run takes a descriptor of the gateway: with fewer descriptors, fewer runs are measured, and that is printed. */
function withinDescriptors(count: number): number {
  const limit = Number(execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }))
  const most = Number.isNaN(limit) ? count : Math.min(count, limit - SPARE_DESCRIPTORS)
  if (most < count) console.log(`only ${most} runs: the limit of descriptors is ${limit} (ulimit -n)`)
  return most
}

function printDelays(name: string, delays: readonly number[]): void {
  console.log(
    `delay from the end of a task to its answer, ${name}: median ${Math.round(quantile(delays, 0.5))} ms, 99th percentile ${Math.round(quantile(delays, 0.99))} ms`,
  )
}

function printTarget(name: string, value: number, most: number): void {
  console.log(`  ${name}: ${value.toFixed(2)} (at most ${most}: ${value <= most ? 'yes' : 'NO'})`)
}

function mib(value: number): string {
  return `${value.toFixed(0)} MiB`
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
