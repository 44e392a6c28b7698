import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** One answered request. `route` is a pattern of ours, never a path; `caller` an id of the configuration or a kind. */
type RequestObservation = {
  method: string
  route: string
  status: number
  caller: string
  seconds: number
}

/** One call upstream: `outcome` is `success`, `abandoned` or the code of the failure. */
type UpstreamObservation = { operation: string; outcome: string; seconds: number }

/** What the process counts. Every label has few values, whatever callers send. */
export type Metrics = {
  observeRequest(observation: RequestObservation): void
  observeUpstream(observation: UpstreamObservation): void
  /** Adds a value that is read at every scrape. */
  gauge(name: string, help: string, read: () => number | Promise<number>): void
  /** The same for a value of each of a few things; those that are left out have none at that scrape. */
  gauges(
    name: string,
    help: string,
    label: string,
    read: () => Promise<Readonly<Record<string, number>>>,
  ): void
  /** Adds a count that is kept elsewhere and only grows; read at every scrape. */
  counter(name: string, help: string, read: () => number): void
  /** Starts collecting the figures of the process itself: memory, CPU, event loop. */
  observeProcess(): void
  readonly contentType: string
  /** The exposition in Prometheus' text format. */
  text(): Promise<string>
  /** Removes every metric, which ends the collection. */
  clear(): void
}

/** From a cached read to the longest wait, in seconds. */
const REQUEST_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]
const UPSTREAM_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

/** The instruments of one gateway in a registry of their own. */
export function createMetrics(version: string): Metrics {
  const register = new Registry()
  const registers = [register]
  new Gauge({ name: 'oomol_gateway_info', help: 'The running version', labelNames: ['version'], registers })
    .labels(version)
    .set(1)
  const request = createRequestInstruments(registers)
  const upstream = createUpstreamInstruments(registers)
  return {
    observeRequest: ({ method, route, status, caller, seconds }) => {
      request.total.labels(method, route, String(status), caller).inc()
      request.seconds.labels(method, route).observe(seconds)
    },
    observeUpstream: ({ operation, outcome, seconds }) => {
      upstream.total.labels(operation, outcome).inc()
      upstream.seconds.labels(operation).observe(seconds)
    },
    gauge: (name, help, read) => {
      new Gauge({
        name,
        help,
        registers,
        async collect() {
          this.set(await read())
        },
      })
    },
    counter: (name, help, read) => {
      new Counter({
        name,
        help,
        registers,
        collect() {
          this.reset()
          this.inc(read())
        },
      })
    },
    gauges: (name, help, label, read) => addGauges(registers, { name, help, labelNames: [label] }, read),
    observeProcess: () => collectDefaultMetrics({ register }),
    contentType: register.contentType,
    text: () => register.metrics(),
    clear: () => register.clear(),
  }
}

function addGauges(
  registers: Registry[],
  options: { name: string; help: string; labelNames: string[] },
  read: () => Promise<Readonly<Record<string, number>>>,
): void {
  new Gauge({
    ...options,
    registers,
    async collect() {
      const values = Object.entries(await read())
      this.reset()
      for (const [label, value] of values) this.labels(label).set(value)
    },
  })
}

function createRequestInstruments(registers: Registry[]) {
  return {
    total: new Counter({
      name: 'http_requests_total',
      help: 'Requests by route and status; 499: the caller left before its answer',
      labelNames: ['method', 'route', 'status', 'caller'],
      registers,
    }),
    seconds: new Histogram({
      name: 'http_request_duration_seconds',
      help: 'From the head of a request to the last byte of its answer; a run includes its wait',
      labelNames: ['method', 'route'],
      buckets: REQUEST_BUCKETS,
      registers,
    }),
  }
}

function createUpstreamInstruments(registers: Registry[]) {
  return {
    total: new Counter({
      name: 'upstream_requests_total',
      help: 'Calls upstream by operation and outcome: success, abandoned, or the code of the failure',
      labelNames: ['operation', 'outcome'],
      registers,
    }),
    seconds: new Histogram({
      name: 'upstream_request_duration_seconds',
      help: 'From a call upstream to the last byte of its answer, or until it was abandoned',
      labelNames: ['operation'],
      buckets: UPSTREAM_BUCKETS,
      registers,
    }),
  }
}
