/** A release that takes effect once, however often it is called. */
export function releaseOnce(release: () => void): () => void {
  let isReleased = false
  return () => {
    if (isReleased) return
    isReleased = true
    release()
  }
}
