import { type Answer, errorAnswer, jsonAnswer } from './answers.ts'
import { isObject, parseObject } from './api-request.ts'
import { parseFault } from './fault-json.ts'
import type { Fault } from './faults.ts'
import { isOperation, type Operation } from './operation-names.ts'
import type { EmulatedTask, TaskEnd } from './task-snapshot.ts'

/** What another process can ask of an emulator. */
type Controls = {
  misbehave(operation: Operation, fault: Fault, times?: number): void
  counts(): Record<Operation, number>
  reset(): void
  tasks(): EmulatedTask[]
  finish(taskID: string, end: TaskEnd): void
}

/**
 * The control plane, for tests in another process and for people: not counted, no credential needed.
 *
 * - `POST /_emulator/misbehave` `{"operation", "fault", "times"?}`: as `Emulator.misbehave`; `times` is a
 *   number or `"always"`. The faults that wait for a promise (`gate`, `slow-read`) can't be set this way.
 * - `GET /_emulator/counts`: `{operation: number}`.
 * - `POST /_emulator/reset`: counts from 0 again and forgets all faults; tasks and files stay.
 * - `GET /_emulator/tasks`: `{"tasks": [EmulatedTask]}`, `rawBody` as text.
 * - `POST /_emulator/finish` `{"taskID", "end": {"status": "success", "resultData"?, "resultURL"?} or
 *   {"status": "failed", "error"}}`: ends a running task now; 409 when it can't be ended.
 *
 * A body that is not as described is answered with 400 and `{"message"}`.
 */
export function createControlApi(controls: Controls): (method: string, path: string, body: Buffer) => Answer {
  return (method, path, body) => {
    switch (`${method} ${path}`) {
      case 'POST /_emulator/misbehave':
        return misbehave(controls, parseObject(body))
      case 'GET /_emulator/counts':
        return jsonAnswer(controls.counts())
      case 'POST /_emulator/reset':
        controls.reset()
        return jsonAnswer({})
      case 'GET /_emulator/tasks':
        return jsonAnswer({
          tasks: controls.tasks().map((task) => ({ ...task, rawBody: task.rawBody.toString('utf8') })),
        })
      case 'POST /_emulator/finish':
        return finish(controls, parseObject(body))
      default:
        return errorAnswer(404, 'not found')
    }
  }
}

function misbehave(controls: Controls, wanted: Record<string, unknown> | undefined): Answer {
  if (!isOperation(wanted?.operation)) return errorAnswer(400, 'operation is not known')
  const fault = parseFault(wanted.fault)
  if (typeof fault === 'string') return errorAnswer(400, fault)
  const times = wanted.times === 'always' ? Number.POSITIVE_INFINITY : wanted.times
  if (times !== undefined && !(typeof times === 'number' && times >= 0)) {
    return errorAnswer(400, 'times must be a number or "always"')
  }
  controls.misbehave(wanted.operation, fault, times)
  return jsonAnswer({})
}

function finish(controls: Controls, wanted: Record<string, unknown> | undefined): Answer {
  const end = parseEnd(wanted?.end)
  if (typeof wanted?.taskID !== 'string' || end === undefined) {
    return errorAnswer(400, 'taskID and end are needed')
  }
  try {
    controls.finish(wanted.taskID, end)
    return jsonAnswer({})
  } catch (error) {
    return errorAnswer(409, error instanceof Error ? error.message : 'the task cannot be ended')
  }
}

function parseEnd(end: unknown): TaskEnd | undefined {
  if (!isObject(end)) return undefined
  const { status, resultData, resultURL = null, error = null } = end
  if (status === 'success' && (resultURL === null || typeof resultURL === 'string')) {
    return { status, resultData, resultURL }
  }
  if (status === 'failed' && (error === null || typeof error === 'string')) return { status, error }
  return undefined
}
