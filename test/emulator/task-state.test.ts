import { describe, expect, it } from 'vitest'
import { stateAt, type Task } from '../../src/emulator/task-state.ts'

const PHASES = { queuedMs: 10, schedulingMs: 20, scheduledMs: 30, runningMs: 0 }
const START = 1000
const RUNNING_AT = 1060

function task(changes: Partial<Task>): Task {
  return {
    seq: 1,
    taskID: 'id',
    identity: 'someone',
    block: {
      packageName: 'p',
      packageVersion: '1',
      packageID: 'p@1',
      workloadID: 'w',
      blockName: 'b',
      run: () => ({ kind: 'holds' }),
    },
    inputs: '{}',
    rawBody: Buffer.alloc(0),
    createdAt: START,
    releasedAt: START,
    runMs: 100,
    endedAt: undefined,
    outcome: { status: 'success', resultData: '[]', resultURL: null },
    ...changes,
  }
}

describe('the state of a task', () => {
  it('passes through all states, each at its time', () => {
    const sleeping = task({})
    const times = [START, START + 9, START + 10, START + 29, START + 30, START + 59, RUNNING_AT, 1159, 1160]
    expect(times.map((now) => stateAt(sleeping, now, PHASES).status)).toEqual([
      'queued',
      'queued',
      'scheduling',
      'scheduling',
      'scheduled',
      'scheduled',
      'running',
      'running',
      'success',
    ])
  })

  it('never loses progress on the way from 0 to 100', () => {
    const sleeping = task({})
    const progress = Array.from({ length: 200 }, (_, at) => stateAt(sleeping, START + at, PHASES).progress)
    expect(progress.toSorted((a, b) => a - b)).toEqual(progress)
    expect(progress[0]).toBe(0)
    expect(progress.at(-1)).toBe(100)
    expect(new Set(progress).size).toBeGreaterThan(50)
  })

  it('has the times of start and end once they are known', () => {
    const sleeping = task({})
    expect(stateAt(sleeping, START + 59, PHASES)).toMatchObject({ startTime: null, endTime: null })
    expect(stateAt(sleeping, 1100, PHASES)).toMatchObject({ startTime: RUNNING_AT, endTime: null })
    expect(stateAt(sleeping, 9999, PHASES)).toMatchObject({
      startTime: RUNNING_AT,
      endTime: 1160,
      updatedAt: 1160,
    })
  })

  it('runs without an end until there is an outcome', () => {
    const endless = task({ runMs: Number.POSITIVE_INFINITY, outcome: undefined })
    expect(stateAt(endless, 1e9, PHASES)).toMatchObject({ status: 'running', progress: 99, endTime: null })
  })

  it('stays queued while it is not released', () => {
    expect(stateAt(task({ releasedAt: undefined }), 1e9, PHASES)).toMatchObject({
      status: 'queued',
      progress: 0,
    })
  })

  it('ends when it was finished, before its own time', () => {
    const finished = task({ endedAt: 1005, outcome: { status: 'failed', error: 'no' } })
    expect(stateAt(finished, 1004, PHASES).status).toBe('queued')
    expect(stateAt(finished, 1005, PHASES)).toMatchObject({
      status: 'failed',
      startTime: 1005,
      endTime: 1005,
    })
  })
})
