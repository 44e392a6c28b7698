import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

/** A process of a benchmark, and the first line it printed. */
export type BenchProcess = { pid: number; firstLine: string; stop(): Promise<void> }

/**
 * Starts a process and waits for its first line of output that contains `sign`. A process with children of
 * its own must be stopped by a signal that it can handle.
 */
export async function startProcess(
  command: string,
  args: readonly string[],
  options: { env?: Record<string, string>; sign: string; stopSignal?: NodeJS.Signals },
): Promise<BenchProcess> {
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH ?? '', ...options.env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const firstLine = await new Promise<string>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`${command} ended with ${code}`)))
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.includes(options.sign)) resolve(line)
    })
  })
  return { pid: child.pid ?? 0, firstLine, stop: () => stop(child, options.stopSignal ?? 'SIGKILL') }
}

/** Starts a TypeScript file of ours. */
export function startNode(
  file: string,
  options: { args?: readonly string[]; env?: Record<string, string>; sign: string },
): Promise<BenchProcess> {
  return startProcess(process.execPath, ['--import', 'tsx', file, ...(options.args ?? [])], options)
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill(signal)
  await gone
}

/** Memory of a process that is in RAM, in MiB. */
export function residentMib(pid: number): number {
  const [, pages = '0'] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')
  return (Number(pages) * 4096) / 2 ** 20
}

/** The most memory a process has while something is done, in MiB. */
export async function peakMib(pid: number, work: () => Promise<unknown>): Promise<number> {
  let peak = residentMib(pid)
  const timer = setInterval(() => {
    peak = Math.max(peak, residentMib(pid))
  }, 5)
  try {
    await work()
  } finally {
    clearInterval(timer)
  }
  return Math.max(peak, residentMib(pid))
}
