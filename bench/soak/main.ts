import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createRandom } from '../../test/support/seeded-random.ts'
import { misbehave } from './faults.ts'
import { describeDescriptors, memoryGrowth, memorySlope, type Reading, read } from './gauge.ts'
import { Ledger } from './ledger.ts'
import { Callers } from './load.ts'
import { type GatewaySide, startGateway, startUpstream, type UpstreamSide } from './sides.ts'

/*
 * `npm run soak -- [--minutes 10] [--seed N]`: a gateway under mixed load, with faults of upstream and of callers.
 * In the first four tenths of the time the gateway is killed with -9 again and again; then one process lives to the
 * end and is watched. Ends with 1 when something grew beyond its bound, or a key was paid twice.
 */

/** Part of the time with kills. */
const KILLING_SHARE = 0.4
/** Between two kills, in milliseconds. */
const SHORTEST_LIFE_MS = 4_000
const LIFE_SPREAD_MS = 8_000
/** Left out of the judgement of memory: code is compiled and caches are filled. */
const WARM_UP_SHARE = 0.25
/** How long keys are repeated that have no task: a lost create is searched when it can no longer land. */
const SETTLE_MS = 120_000
/** Idle connections are closed after this: the emulator, like many load balancers, offers to keep them for 75 s. */
const IDLE_MS = 80_000

/** The bounds. Memory: of the process that was watched, MiB; the rest: idle afterwards, more than before the load. */
const MOST_MEMORY_GROWTH_MIB = 48
const MOST_DESCRIPTORS_LEFT = 16
const MOST_RESOURCES_LEFT = 16

type Soak = {
  upstream: UpstreamSide
  gateway: GatewaySide
  folder: string
  random: () => number
  kills: number
}

const { values } = parseArgs({ options: { minutes: { type: 'string' }, seed: { type: 'string' } } })
const minutes = Number(values.minutes ?? 10)
const seed = Number(values.seed ?? randomInt(2 ** 31))
if (!(minutes > 0) || !Number.isSafeInteger(seed))
  throw new Error('usage: npm run soak -- [--minutes N] [--seed N]')
const folder = mkdtempSync(join(tmpdir(), 'oomol-soak-'))
const upstream = await startUpstream()
let soak: Soak | undefined
try {
  console.log(`soak: ${minutes} minutes, --seed ${seed}`)
  const gateway = await startGateway(upstream, join(folder, 'data'))
  soak = { upstream, gateway, folder, random: createRandom(seed), kills: 0 }
  const problems = await run(soak, minutes * 60_000)
  for (const problem of problems.slice(0, 20)) console.log(`FAILED: ${problem}`)
  console.log(problems.length === 0 ? 'soak: good' : `soak: ${problems.length} problems, --seed ${seed}`)
  process.exitCode = problems.length === 0 ? 0 : 1
} finally {
  await soak?.gateway.kill()
  await upstream.kill()
  rmSync(folder, { recursive: true, force: true })
}

async function run(soak: Soak, durationMs: number): Promise<string[]> {
  const { upstream, random } = soak
  const ledger = new Ledger()
  const callers = new Callers({ url: () => soak.gateway.url, ledger, random })
  let isStopped = false
  callers.begin()
  const faults = misbehave(upstream, random, () => isStopped)
  await killAgainAndAgain(soak, durationMs * KILLING_SHARE)
  const readings = await watch(soak.gateway, durationMs * (1 - KILLING_SHARE))
  isStopped = true
  await faults
  await upstream.reset()
  await callers.stop()
  await callers.settleKeys(SETTLE_MS)
  await callers.close()
  await sleep(IDLE_MS)
  const problems = [...(await judgeProcess(soak, readings)), ...(await judgeEnd(soak.gateway))]
  const { problems: contradictions, summary } = ledger.judge(await upstream.tasks())
  for (const line of ledger.lines) console.log(`  ${line}`)
  console.log(`${summary}; ${soak.kills} kills`)
  return [...problems, ...contradictions]
}

async function killAgainAndAgain(soak: Soak, durationMs: number): Promise<void> {
  const endMs = performance.now() + durationMs
  const data = join(soak.folder, 'data')
  for (;;) {
    const lifeMs = SHORTEST_LIFE_MS + LIFE_SPREAD_MS * soak.random()
    if (performance.now() + lifeMs > endMs) break
    await sleep(lifeMs)
    await soak.gateway.kill()
    soak.kills += 1
    soak.gateway = await startGateway(soak.upstream, data)
  }
}

/** Looks at the process every second. */
async function watch(gateway: GatewaySide, durationMs: number): Promise<Reading[]> {
  const readings: Reading[] = []
  const endMs = performance.now() + durationMs
  while (performance.now() < endMs) {
    readings.push(await read(gateway))
    await sleep(1_000)
  }
  return readings
}

async function judgeProcess({ upstream, gateway, folder }: Soak, readings: Reading[]): Promise<string[]> {
  const problems: string[] = []
  const judged = readings.slice(Math.floor(readings.length * WARM_UP_SHARE))
  const growth = memoryGrowth(judged)
  const memory = judged.map(({ memoryMib }) => Math.round(memoryMib))
  console.log(
    `memory: ${memory[0]} to ${memory.at(-1)} MiB, at most ${Math.max(...memory)}; slope ${memorySlope(judged).toFixed(1)} MiB a minute, growth ${growth.toFixed(1)} of at most ${MOST_MEMORY_GROWTH_MIB} MiB`,
  )
  if (growth > MOST_MEMORY_GROWTH_MIB) problems.push(`memory grew by ${growth.toFixed(1)} MiB`)

  const fresh = await startGateway(upstream, join(folder, 'fresh'))
  const before = await read(fresh)
  await fresh.kill()
  const after = await read(gateway)
  for (const [what, most] of [
    ['descriptors', MOST_DESCRIPTORS_LEFT],
    ['resources', MOST_RESOURCES_LEFT],
  ] as const) {
    const peak = Math.max(...readings.map((reading) => reading[what]))
    const left = after[what] - before[what]
    console.log(
      `${what}: ${before[what]} when new, ${peak} under load, ${after[what]} afterwards; at most ${most} may be left`,
    )
    if (left > most) problems.push(`${left} ${what} are left: ${describeDescriptors(gateway.pid)}`)
  }
  const metrics = await gateway.metrics()
  for (const gauge of ['watched_tasks', 'waiting_requests', 'upload_memory_bytes']) {
    const [, left] = [...metrics].find(([name]) => name.endsWith(gauge)) ?? []
    console.log(`${gauge}: ${left}`)
    if (left !== 0) problems.push(`${gauge} is ${left} when nothing is left to do`)
  }
  return problems
}

async function judgeEnd(gateway: GatewaySide): Promise<string[]> {
  const code = await gateway.stop()
  return code === 0 ? [] : [`the gateway ended with ${code}`]
}
