/*
 * What runs in the page: each function is sent there as its own text, so it uses nothing from here.
 */

export type PageRequest = {
  url: string
  method?: string
  headers?: Record<string, string>
  body?: string
  credentials?: 'include' | 'omit'
  mode?: 'cors' | 'no-cors'
}

/** What a page gets to see of an answer; `error` when the browser gives it none. */
export type PageAnswer = {
  status?: number
  type?: string
  headers?: Record<string, string>
  text?: string
  error?: string
}

export async function fetchInPage({ url, ...init }: PageRequest): Promise<PageAnswer> {
  try {
    const answer = await fetch(url, init)
    return {
      status: answer.status,
      type: answer.type,
      headers: Object.fromEntries(answer.headers),
      text: await answer.text(),
    }
  } catch (error) {
    return { error: String(error) }
  }
}

/** Follows server-sent events the way a page with a token must: EventSource can send none. */
export async function followInPage({
  url,
  ...init
}: PageRequest): Promise<{ event: string; data: string }[]> {
  const answer = await fetch(url, init)
  if (answer.body === null) throw new Error('no stream')
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    text += value
  }
  return text
    .split('\n\n')
    .filter((block) => block.startsWith('event: '))
    .map((block) => {
      const [event = '', data = ''] = block.split('\n')
      return { event: event.slice('event: '.length), data: data.slice('data: '.length) }
    })
}
