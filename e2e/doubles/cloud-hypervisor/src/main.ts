/**
 * A double of Cloud Hypervisor, for tests where the real program cannot be had: the same command line, the same API,
 * the same demands on what its user may open, and a guest that really runs, with QEMU underneath. No part of the
 * product. Where it is laxer or stricter than the real program, vm-config.ts and README.md say so.
 */

import { exit, filterThread, openKvm, pid, send } from 'double'
import { err, out } from 'std'
import { setNonblocking } from 'syscalls'
import '../../../../guest/agent/src/polyfills.ts'
import { createLoop } from '../../../../guest/agent/src/loop.ts'
import { serveHttp } from '../../common/src/http.ts'
import { parseArguments, usage } from './command-line.ts'
import { Vmm } from './vmm.ts'

const version = '51.0.0'
const started = Date.now()

function main(): void {
  const options = parseArguments(scriptArgs.slice(1))
  if (options === 'version') {
    out.puts('cloud-hypervisor v51.0-double\n')
    out.flush()
    exit(0)
  }
  if (typeof options === 'string') fail(`${options}\n${usage}`)
  if (options.seccomp) filterThread()
  const loop = createLoop()
  try {
    openKvm()
  } catch (error) {
    fail(
      `Failed to open hypervisor interface (is hypervisor interface available?): ${(error as Error).message}`,
    )
  }
  const say = (text: string) => {
    err.puts(`cloud-hypervisor: ${((Date.now() - started) / 1000).toFixed(6)}s: ${text}\r\n`)
    err.flush()
  }
  const report = (source: string, event: string) => {
    if (options.events === undefined) return
    const elapsed = Date.now() - started
    const timestamp = { secs: Math.floor(elapsed / 1000), nanos: (elapsed % 1000) * 1_000_000 }
    try {
      send(
        options.events,
        `${JSON.stringify({ timestamp, source, event, properties: null }, null, 2)}\n\n`,
        [],
      )
    } catch {
      // Nobody listens any more.
    }
  }
  report('vmm', 'starting')
  const vmm = new Vmm({ loop, version, pid: pid(), report, say, exit })
  setNonblocking(options.api)
  serveHttp(loop, options.api, {
    ...{ prefix: '/api/v1/', server: 'Cloud Hypervisor API' },
    handle: (request) => vmm.handle(request),
  })
}

function fail(reason: string): never {
  err.puts(`Error: ${reason}\n`)
  err.flush()
  exit(1)
}

main()
