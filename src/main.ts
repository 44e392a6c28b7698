#!/usr/bin/env node
import { listenForSignals } from './commands/signals.ts'

/*
 * The program. Signal handlers stand before anything slow: everything else is imported after them, and only what
 * was asked for.
 */

/** For what a command that has failed may have left open. */
const EXIT_MS = 1_000

const signals = listenForSignals()
const { runProgram } = await import('./commands/program.ts')
const exitCode = await runProgram(process.argv.slice(2), process.env, signals)
if (exitCode !== undefined) {
  // Not `process.exit`: what was printed into a pipe is still on its way.
  process.exitCode = exitCode
  setTimeout(() => process.exit(), EXIT_MS).unref()
}
