/** docs/how-to/run.md, run as it is written. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync, symlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import { busyboxPath } from '../../setup/paths.ts'
import { defaultRunDir } from '../../src/sandbox/records/paths.ts'
import { executable } from '../harness/executable.ts'
import { type HostState, hostState, leftBehind } from '../harness/host/host.ts'
import { scratch } from '../harness/kata.ts'
import { readBlocks } from './page.ts'

const commands = readBlocks('docs/how-to/run.md').filter(({ notRun }) => notRun === undefined)
/** Network namespaces that the page makes, and deletes in its last block. */
const namespaces = commands.flatMap(({ text }) =>
  [...text.matchAll(/^ip netns add (\S+)$/gm)].map(([, name]) => name!),
)
const isThere = (name: string) => existsSync(`/run/netns/${name}`)
const tools = scratch()
let before: HostState
beforeAll(() => {
  // Not every host has one.
  symlinkSync(busyboxPath, `${tools.path}/wget`)
  before = hostState(defaultRunDir)
  expect(namespaces.filter(isThere)).toEqual([])
  expect(namespaces).not.toEqual([])
})
afterAll(() => {
  // A test that failed has not come to the end of the page.
  for (const name of namespaces.filter(isThere)) Bun.spawnSync(['ip', 'netns', 'delete', name])
  tools[Symbol.dispose]()
})

async function runNext(): Promise<string> {
  const { text } = commands.shift()!
  const path = [tools.path, dirname(executable), process.env.PATH].join(':')
  const child = Bun.spawn(['bash', '-euo', 'pipefail', '-c', text], {
    cwd: tools.path,
    env: { PATH: path },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  if (code !== 0) throw new Error(`exit ${code} of\n${text}\n${stderr}`)
  return stdout
}

test('the page as it is written: volumes, networks, its life, templates, limits and images, and nothing of it afterwards', async () => {
  expect(await runNext()).toMatch(/^kept\nNAME +CREATED +CONTAINERS\nnotes .*-\nnotes\n$/)
  const shop = await runNext()
  expect(shop).toMatch(/^shop\ndb\nhello\n/)
  expect(shop).toContain('"store"')
  expect(shop).toMatch(/\ndb\nshop\n$/)
  await runNext()
  const served = await runNext()
  expect(served).toContain('web\nhello\n')
  expect(served).toContain('1 packets received')
  await runNext()
  expect(await runNext()).toMatch(/^greeter\nhello you\n(.*\n)?former\n$/)
  expect(await runNext()).toMatch(/^checked\n.*health_status.*healthy/s)
  expect(await runNext()).toMatch(/^job\nNAMES +STATUS +MOUNTS\njob +Up [^\n]+\nrunning sleep 300\n$/)
  // By SIGTERM, which its init passed on.
  expect(await runNext()).toBe('job\njob\njob\njob\n143\njob\n')
  expect(await runNext()).toMatch(/^A \/greeting\nsha256:\w+\nhello\nmade\ngreeting:1\n$/)
  expect(existsSync(`${tools.path}/files.tar`)).toBe(true)
  expect(commands).toEqual([])
  expect(leftBehind(before, hostState(defaultRunDir))).toEqual([])
})
