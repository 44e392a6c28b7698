/*
 * The arrow: who may import whom. Each row names everything of ours that may be imported beside the row itself,
 * so a layer or a room without a row is a violation: where a new one belongs is decided here.
 */

const LOW = ['errors', 'domain']

/** A layer is a folder or a file right below src/. */
export const LAYERS: Record<string, readonly string[]> = {
  main: ['commands', 'app', 'graph', 'config', 'metrics', 'store', ...LOW],
  commands: ['app', 'graph', 'config', 'metrics', 'services', 'cloud', 'store', ...LOW],
  app: ['graph', 'config', 'metrics', 'http', 'mcp', 'services', ...LOW],
  graph: ['config', 'metrics', 'services', 'cloud', 'store', ...LOW],
  http: ['mcp', 'services', ...LOW],
  mcp: ['services', ...LOW],
  services: ['cloud', 'store', ...LOW],
  cloud: LOW,
  store: LOW,
  config: LOW,
  metrics: LOW,
  errors: ['domain'],
  domain: [],
  // A local OOMOL: it shares no code with what it is there to test.
  emulator: [],
}

/**
 * Rooms are the folders of a layer. `floor` are a layer's loose files, which every room may import.
 * A layer that is not named here has no rooms.
 */
export const ROOMS: Record<string, Record<string, readonly string[]>> = {
  services: {
    runs: ['idempotency', 'polling', 'files', 'tasks', 'functions', 'callers', 'floor'],
    idempotency: ['files', 'tasks', 'functions', 'callers', 'floor'],
    polling: ['files', 'tasks', 'functions', 'callers', 'floor'],
    files: ['callers', 'floor'],
    tasks: ['callers', 'floor'],
    functions: ['callers', 'floor'],
    callers: ['floor'],
    floor: [],
  },
  http: {
    routes: ['run', 'body', 'answer', 'access', 'openapi', 'request', 'floor'],
    run: ['body', 'answer', 'access', 'openapi', 'request', 'floor'],
    // Used by app.ts alone, so no other room names it.
    server: ['answer', 'access', 'request', 'floor'],
    body: ['request', 'floor'],
    answer: ['request', 'floor'],
    access: ['request', 'floor'],
    openapi: ['request', 'floor'],
    request: ['floor'],
    floor: [],
  },
}

/** Rooms that one layer alone may import from, by the layer that may. */
export const DOORS: Record<string, string> = { 'http/server': 'app' }
