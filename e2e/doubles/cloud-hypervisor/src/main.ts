/**
 * A double of Cloud Hypervisor, for tests where the real program cannot be had: the same command line, the same API,
 * the same demands on what its user may open, and a guest that really runs, with QEMU underneath. No part of the
 * product. Where it differs from the real program, ../differences.ts says so.
 */

import { eventFd, exit, filterThread, openKvm, pid, send, socketPair } from 'double'
import { err, out } from 'std'
import { setNonblocking } from 'syscalls'
import '../../../../guest/agent/src/system/polyfills.ts'
import { createLoop } from '../../../../guest/agent/src/devices/loop.ts'
import { serveHttp } from '../../common/src/http.ts'
import { handle } from './api.ts'
import { parseArguments, usage } from './command-line.ts'
import { Threads } from './likeness.ts'
import { Vmm } from './vmm.ts'

/** The version of the release that it is held to, see e2e/recordings. */
const version = '53.0.0'
const started = Date.now()

function main(): void {
  const options = parseArguments(scriptArgs.slice(1))
  if (options === 'version') {
    out.puts('cloud-hypervisor v53.0-double\n')
    out.flush()
    exit(0)
  }
  if (typeof options === 'string') fail(`${options}\n${usage}`, 2)
  const threads = new Threads(options.seccomp)
  if (options.events !== undefined) threads.start('event-monitor')
  threads.start('http-server')
  if (options.seccomp) filterThread()
  threads.start('vmm_signal_hand')
  const loop = createLoop()
  // By the pair its signal handler wakes itself.
  socketPair()
  eventFd()
  let kvm: number
  try {
    kvm = openKvm()
  } catch (error) {
    fail(
      `Failed to open hypervisor interface (is hypervisor interface available?): ${(error as Error).message}`,
    )
  }
  const say = (text: string) => {
    err.puts(`cloud-hypervisor: ${((Date.now() - started) / 1000).toFixed(6)}s: ${text}\r\n`)
    err.flush()
  }
  const report = (source: string, event: string, properties: Record<string, string> | null = null) => {
    if (options.events === undefined) return
    const elapsed = Date.now() - started
    const timestamp = { secs: Math.floor(elapsed / 1000), nanos: (elapsed % 1000) * 1_000_000 }
    try {
      send(options.events, `${JSON.stringify({ timestamp, source, event, properties }, null, 2)}\n\n`, [])
    } catch {
      // Nobody listens any more.
    }
  }
  report('vmm', 'starting')
  const vmm = new Vmm({ loop, version, pid: pid(), kvm, threads, report, exit })
  setNonblocking(options.api)
  serveHttp(loop, options.api, {
    prefix: '/api/v1/',
    server: 'Cloud Hypervisor API',
    handle: (request) => handle(vmm, say, request),
  })
}

function fail(reason: string, code = 1): never {
  err.puts(`Error: ${reason}\n`)
  err.flush()
  exit(code)
}

main()
