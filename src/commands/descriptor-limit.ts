import { readFileSync } from 'node:fs'
import { type DescriptorPlan, MIN_DESCRIPTORS, planDescriptors } from '../domain/descriptors.ts'

/**
 * How the open files this process may have are shared out: undefined where the system does not say how many, a
 * text for the operator when they are too few.
 */
export function planOrExplain(): { plan: DescriptorPlan | undefined } | { problem: string } {
  const limit = readLimit()
  if (limit === undefined || limit === Number.POSITIVE_INFINITY) return { plan: undefined }
  if (limit >= MIN_DESCRIPTORS) return { plan: planDescriptors(limit) }
  const problem =
    `The limit of open files is ${limit}, and the gateway needs ${MIN_DESCRIPTORS} at least: raise it ` +
    '(ulimit -n, LimitNOFILE= of systemd, ulimits.nofile of compose).'
  return { problem }
}

/** The soft limit, which Node has raised to the hard one. */
function readLimit(): number | undefined {
  try {
    return toLimit(/^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1])
  } catch {
    const report = process.report?.getReport() as
      | { userLimits?: { open_files?: { soft?: string | number } } }
      | undefined
    return toLimit(report?.userLimits?.open_files?.soft)
  }
}

function toLimit(text: string | number | undefined): number | undefined {
  if (text === 'unlimited') return Number.POSITIVE_INFINITY
  const limit = Number(text)
  return Number.isSafeInteger(limit) && limit > 0 ? limit : undefined
}
