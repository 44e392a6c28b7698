import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Browser, chromium } from 'playwright-core'

/** Debian's package `chromium`, unless CHROMIUM names another. */
const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium'

/** Without a network to speak to, Chromium's own services would only be refused. */
const QUIET = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** A real browser. Throws, and says what to do, where there is none: nothing is skipped in silence. */
export async function launchChromium(): Promise<Browser> {
  if (!existsSync(EXECUTABLE)) {
    throw new Error(
      `NOT TESTED: no page was tried in a browser, because there is no Chromium at ${EXECUTABLE}. ` +
        'Install one (apt-get install -y chromium), or name it with CHROMIUM.',
    )
  }
  return chromium.launch({ executablePath: EXECUTABLE, args: QUIET })
}

export type PageServer = {
  /** The same pages under two names, which are two sites: a cookie for one is none for the other. */
  localhost: string
  address: string
  close(): Promise<void>
}

/** Serves one page at every path, whatever is asked: an origin for scripts to run on. */
export async function servePage(html = '<!doctype html><title>a page</title>'): Promise<PageServer> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end(html)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    localhost: `http://localhost:${port}`,
    address: `http://127.0.0.1:${port}`,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
