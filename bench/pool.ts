/** A pool of one waiting machine beside the benchmark, on a host that counts as idle. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { slow } from '../e2e/harness/time.ts'
import { silentLogger } from '../src/log.ts'
import { listPool } from '../src/sandbox/pool/pool.ts'
import type { Host } from './host.ts'

export interface BenchPool extends AsyncDisposable {
  /** Resolves when a machine waits, and the host has come to rest. */
  filled(): Promise<void>
}

/** The work of making a machine is over by then, milliseconds. */
const restMs = 1000
const fillMs = slow(120_000)

/** What of {@link Host} a pool needs. */
type PoolHost = Pick<Host, 'command' | 'runDir' | 'stateDir' | 'interrupted'>

export function servePool(host: PoolHost, flags: readonly string[]): BenchPool {
  const pressure = `${host.stateDir}/pressure`
  mkdirSync(pressure, { recursive: true })
  for (const name of ['cpu', 'memory'])
    writeFileSync(`${pressure}/${name}`, 'some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n')
  const server = Bun.spawn(host.command(['factory', 'serve', ...flags]), {
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'ignore',
    env: { PATH: process.env.PATH ?? '', KATA_TS_PRESSURE_DIR: pressure },
  })
  return {
    async filled() {
      const end = Date.now() + fillMs
      while (!listPool(host.runDir, silentLogger).some(({ state }) => state === 'waiting')) {
        if (host.interrupted.aborted || Date.now() > end || server.exitCode !== null)
          throw new Error('no machine came to wait')
        await Bun.sleep(50)
      }
      await Bun.sleep(restMs)
    },
    async [Symbol.asyncDispose]() {
      server.kill('SIGTERM')
      await server.exited
    },
  }
}
