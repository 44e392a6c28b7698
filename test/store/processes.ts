import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'
import { builtProgram } from '../support/built-program.ts'
import { within } from '../support/within.ts'

export type Child = {
  process: ChildProcess
  /** Every line it has printed so far. */
  lines: string[]
  /** Waits until it has printed so many lines. */
  printed(count: number): Promise<void>
  /** Waits for its end: exit code, or signal. */
  ended: Promise<number | string | null>
}

/** Starts `child.ts` in a role; it is killed when the test ends, if it hasn't ended by then. */
export function startChild(role: string, directory: string, name = ''): Child {
  const started = spawn(process.execPath, [builtProgram('test/store/child.ts'), role, directory, name], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  let wake: () => void = () => {}
  const reader = createInterface({ input: started.stdout })
  reader.on('line', (line) => {
    lines.push(line)
    wake()
  })
  const finished = Promise.all([once(started, 'exit'), once(reader, 'close')])
  const ended = finished.then(([[code, signal]]) => (code ?? signal) as number | string | null)
  ended.then(() => wake())
  onTestFinished(() => {
    started.kill('SIGKILL')
  })
  const printed = async (count: number): Promise<void> => {
    while (lines.length < count) {
      if (started.exitCode !== null || started.signalCode !== null) throw new Error(`${role} ended too soon`)
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  return {
    process: started,
    lines,
    printed: (count) => within(printed(count), `${role} did not print ${count} lines`, 10_000),
    ended: within(ended, `${role} did not end`, 12_000),
  }
}
