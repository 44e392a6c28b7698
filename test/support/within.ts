/** Fails with its own message when a promise takes too long. */
export async function within<T>(promise: Promise<T>, message: string, ms = 5_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${message} within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([promise, deadline])
  } finally {
    clearTimeout(timer)
  }
}

/** Waits until something holds that no event announces, by asking every few milliseconds. */
export async function until(holds: () => boolean, message: string, ms = 5_000): Promise<void> {
  const end = performance.now() + ms
  while (!holds()) {
    if (performance.now() > end) throw new Error(`${message} within ${ms} ms`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
