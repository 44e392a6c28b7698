import { startEmulator } from '../../src/emulator/emulator.ts'

/* The upstream of a benchmark in a process of its own. */
const { url } = await startEmulator({
  phases: { queuedMs: 20, schedulingMs: 20, scheduledMs: 20, runningMs: 20 },
})
console.log(JSON.stringify({ url }))
