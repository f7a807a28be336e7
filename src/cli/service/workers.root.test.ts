/** A service whose workers end when it does not expect that. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { createLogger } from '../../log.ts'
import { until } from '../../time.ts'
import type { Settings } from '../settings.ts'
import { service } from './service.ts'

let base: string
beforeEach(() => {
  base = mkdtempSync(`${tmpdir()}/workers-`)
})
afterEach(() => rmSync(base, { recursive: true }))

const begun = () => (existsSync(`${base}/begun`) ? readFileSync(`${base}/begun`, 'utf8').length : 0)

/** Runs a service until this many workers were begun; its warnings. */
async function serve(worker: string, workers: number): Promise<string[]> {
  const program = `${base}/worker`
  writeFileSync(program, `#!/bin/sh\nprintf x >> ${base}/begun\n${worker}\n`)
  chmodSync(program, 0o755)
  const warned: string[] = []
  const log = createLogger({ sink: ({ message }) => void warned.push(message) })
  const settings = {
    self: { program, prefix: [] },
    env: {},
    runDir: base,
    stateDir: base,
    debug: false,
    log,
  } as unknown as Settings
  const serving = service(settings, { socket: `${base}/s`, group: 'games', commands: '6' })
  const came = await until(() => begun() >= workers, { timeoutMs: 20_000, everyMs: 20 })
  process.kill(process.pid, 'SIGTERM')
  await serving
  expect(came).toBe(true)
  return warned
}

test('one that ends before it was told whether it may serve is followed by another', async () => {
  const warned = await serve('exec 0<&-; echo 4242; sleep 0.2', 3)
  expect(warned).toContain('a worker of the service was lost')
}, 30_000)

test('where none can be started for a while, one is started later', async () => {
  // The first one takes its program away.
  const restore = `(sleep 1.5; mv ${base}/away ${base}/worker) >/dev/null 2>&1 &`
  const warned = await serve(
    `[ -e ${base}/once ] || { touch ${base}/once; mv ${base}/worker ${base}/away; ${restore} exit; }`,
    2,
  )
  expect(warned).toContain('no worker of the service can be started')
}, 30_000)
