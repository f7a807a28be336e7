/** A service whose workers end when it does not expect that. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { chmodSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
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

/** Runs a service until this many workers were begun; its warnings, each of which `onWarning` is told. */
async function serve(
  worker: string,
  workers: number,
  onWarning: (message: string) => void = () => {},
): Promise<string[]> {
  const program = `${base}/worker`
  writeFileSync(program, `#!/bin/sh\nprintf x >> ${base}/begun\n${worker}\n`)
  chmodSync(program, 0o755)
  const warned: string[] = []
  const sink = ({ message }: { message: string }) => {
    warned.push(message)
    onWarning(message)
  }
  const log = createLogger({ sink })
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
  const problem = 'no worker of the service can be started'
  // The first one takes its program away, which is there again once it was missed.
  const restore = (message: string) => {
    if (message === problem) renameSync(`${base}/away`, `${base}/worker`)
  }
  const warned = await serve(
    `[ -e ${base}/once ] || { touch ${base}/once; mv ${base}/worker ${base}/away; }`,
    2,
    restore,
  )
  expect(warned).toContain(problem)
}, 30_000)
