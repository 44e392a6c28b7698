import { describe, expect, it } from 'vitest'
import type { Emulator } from '../../src/emulator/emulator.ts'
import { ask, create, createBody, start, TASKS } from './client.ts'

const AT_ONCE = { queuedMs: 0, schedulingMs: 0, scheduledMs: 0, runningMs: 0 }

async function createMany(emulator: Emulator, number: number): Promise<string[]> {
  const ids: string[] = []
  for (let at = 0; at < number; at++) ids.push(await create(emulator, createBody('hold')))
  return ids
}

async function list(emulator: Emulator, query = ''): Promise<{ ids: string[]; nextToken: string | null }> {
  const { json } = await ask('GET', `${emulator.url}${TASKS}?${query}`)
  return { ids: json.tasks.map(({ taskID }: { taskID: string }) => taskID), nextToken: json.nextToken }
}

async function walk(emulator: Emulator, size: number): Promise<string[]> {
  const found: string[] = []
  let token: string | null = null
  do {
    const page: Awaited<ReturnType<typeof list>> = await list(
      emulator,
      `size=${size}${token === null ? '' : `&nextToken=${token}`}`,
    )
    found.push(...page.ids)
    token = page.nextToken
  } while (token !== null)
  return found
}

describe('the list', () => {
  it('shows the newest first and 20 by default', async () => {
    const emulator = await start()
    const ids = await createMany(emulator, 25)
    const { ids: shown, nextToken } = await list(emulator)
    expect(shown).toEqual(ids.toReversed().slice(0, 20))
    expect(nextToken).not.toBeNull()
  })

  it.each(['newest-first', 'oldest-first', 'shuffled'] as const)(
    'shows each task once: %s',
    async (order) => {
      const emulator = await start()
      const takeBack = emulator.misbehave('list', { kind: 'order', order })
      const ids = await createMany(emulator, 23)
      const walked = await walk(emulator, 5)
      expect(walked.toSorted()).toEqual(ids.toSorted())
      expect(walked).not.toEqual(order === 'oldest-first' ? ids.toReversed() : ids)
      if (order === 'shuffled') expect(walked).not.toEqual(ids.toReversed())
      takeBack()
      expect(await walk(emulator, 100)).toEqual(ids.toReversed())
    },
  )

  it('goes on where a page ended though tasks came in between', async () => {
    const emulator = await start()
    const ids = await createMany(emulator, 4)
    const { nextToken } = await list(emulator, 'size=2')
    await createMany(emulator, 3)
    expect((await list(emulator, `size=2&nextToken=${nextToken}`)).ids).toEqual([ids[1], ids[0]])
  })

  it('ends exactly at the last task', async () => {
    const emulator = await start()
    await createMany(emulator, 4)
    expect((await list(emulator, 'size=4')).nextToken).toBeNull()
  })

  it('filters', async () => {
    const emulator = await start({ phases: AT_ONCE })
    const done = await create(emulator, createBody('echo'))
    const old = await create(emulator, createBody('echo', {}, { packageVersion: '1.0.0' }))
    const running = await create(emulator, createBody('hold'))
    const workloadID = emulator.tasks()[0]?.workloadID
    const packageID = encodeURIComponent('@emulator/basics@1.0.0')
    expect((await list(emulator, 'status=running')).ids).toEqual([running])
    expect((await list(emulator, 'status=success')).ids).toEqual([old, done])
    expect((await list(emulator, `workloadID=${workloadID}`)).ids).toEqual([done])
    expect((await list(emulator, `packageID=${packageID}`)).ids).toEqual([old])
    expect((await list(emulator, 'taskType=user&workload=serverless')).ids).toHaveLength(3)
    expect((await list(emulator, 'taskType=shared')).ids).toEqual([])
    expect((await list(emulator, 'workloadID=nobody')).ids).toEqual([])
  })

  it.each([
    'size=0',
    'size=101',
    'size=-1',
    'size=ten',
    'size=',
    'size=1e1',
    'nextToken=nonsense',
    'nextToken=',
    'status=finished',
    'taskType=all',
    'workload=applet',
  ])('refuses %s', async (query) => {
    const emulator = await start()
    const { status, json } = await ask('GET', `${emulator.url}${TASKS}?${query}`)
    expect(status).toBe(400)
    expect(json.message).toContain(query.split('=')[0])
  })

  it('lags behind with a fault', async () => {
    let time = 1_700_000_000_000
    const emulator = await start({ now: () => time, phases: AT_ONCE })
    const [first = ''] = await createMany(emulator, 1)
    emulator.misbehave('list', { kind: 'lag', ms: 1000 })
    expect((await list(emulator)).ids).toEqual([])
    time += 1000
    emulator.finish(first, { status: 'success' })
    await createMany(emulator, 1)
    const { json } = await ask('GET', emulator.url + TASKS)
    expect(json.tasks).toMatchObject([{ taskID: first, status: 'running' }])
    expect((await ask('GET', `${emulator.url}${TASKS}/${first}`)).json.status).toBe('success')
    time += 999
    expect((await list(emulator, 'status=success')).ids).toEqual([])
    time += 1
    expect((await list(emulator, 'status=success')).ids).toEqual([first])
    expect((await list(emulator)).ids).toHaveLength(2)
  })

  it('shows the latest task of each workload', async () => {
    const emulator = await start({ phases: AT_ONCE })
    await create(emulator, createBody('echo'))
    const echo = await create(emulator, createBody('echo'))
    const hold = await create(emulator, createBody('hold'))
    const [a, , b] = emulator.tasks().map((task) => task.workloadID)
    const { json } = await ask('GET', `${emulator.url}${TASKS}/latest?workloadIDs=${a},${b},nobody`)
    expect(json).toEqual([
      {
        taskID: echo,
        workloadID: a,
        status: 'success',
        progress: 100,
        createdAt: expect.any(Number),
        startTime: expect.any(Number),
        endTime: expect.any(Number),
      },
      expect.objectContaining({ taskID: hold, status: 'running', endTime: null }),
    ])
  })

  it('takes 1 to 50 workloads', async () => {
    const emulator = await start()
    const url = `${emulator.url}${TASKS}/latest`
    const ids = (number: number) => Array.from({ length: number }, (_, at) => `w${at}`).join()
    expect((await ask('GET', `${url}?workloadIDs=${ids(50)}`)).json).toEqual([])
    for (const query of ['', '?workloadIDs=', '?workloadIDs=a,,b', `?workloadIDs=${ids(51)}`]) {
      expect((await ask('GET', url + query)).status).toBe(400)
    }
  })
})
