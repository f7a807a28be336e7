/** What `npm run uninstall` asks of a host's sandboxes. The rest of it has unit tests: nothing is taken off this host here. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdirSync, rmSync } from 'node:fs'
import { hostSandboxes, type Sandboxes } from '../setup/uninstall/sandboxes.ts'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { eventually, Kata } from './harness/kata.ts'

let kata: Kata
let sandboxes: Sandboxes
let before: HostState
beforeAll(() => {
  kata = new Kata()
  sandboxes = hostSandboxes(kata)
  before = hostState(kata.runDir)
})
afterAll(() => kata.close())

test('a running container is in the way; one that was killed is released, and nothing of it is left', async () => {
  expect(await sandboxes.live()).toEqual([])
  const { code, stderr } = await kata.call(['run', '-d', '--name', 'web', '--', 'sleep', '1000'])
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect(await sandboxes.live()).toEqual(['default/web'])
  // gc leaves it alone, so it is still there afterwards, and that is an error.
  expect(await sandboxes.release().then(() => undefined, String)).toContain('default/web is still there')
  const [listed] = JSON.parse((await kata.call(['--format', 'json', 'ps'])).stdout)
  process.kill(listed.shimPid, 'SIGKILL')
  await eventually('its death', async () => (await sandboxes.live()).length === 0)
  expect(await sandboxes.release()).toContain('web')
  expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
})

test('a machine that waits for a pod is in the way: nothing else would give back what it holds', async () => {
  // One that is being made, which gc leaves alone as well.
  const pool = `${kata.runDir}/pool`
  mkdirSync(`${pool}/w1`, { recursive: true })
  expect(await sandboxes.release().then(() => undefined, String)).toContain('machines wait for pods: w1;')
  rmSync(pool, { recursive: true })
})
