import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { createLogger } from '../log.ts'
import { until } from '../time.ts'
import { cgroupsResource } from './resource.ts'

/** A tree that looks like a hierarchy: the kernel is played by the test, which empties a cgroup that its process has left. */
let root: string
const procs = (cgroup: string) => `${root}/unified${cgroup}/cgroup.procs`
beforeEach(() => {
  root = mkdtempSync(`${tmpdir()}/cgroups-`)
  for (const cgroup of ['', '/from', '/sandbox']) {
    mkdirSync(`${root}/unified${cgroup}`)
    writeFileSync(procs(cgroup), '')
  }
  writeFileSync(procs('/sandbox'), `${process.pid}\n`)
})
afterEach(() => rmSync(root, { recursive: true }))

/** Releases the sandbox's cgroup, which this process is in. Returns the origins that a warning named. */
async function release(origin: string, { goesTo }: { goesTo: string }): Promise<string[]> {
  const logged: string[] = []
  const log = createLogger({ sink: ({ fields }) => void logged.push(`${fields.origin}`) })
  const place = { point: `${root}/unified`, path: '/sandbox', origin, ancestors: [] }
  const released = cgroupsResource.release({ places: [place] }, log)
  const hasLeft = () => readFileSync(procs(goesTo), 'utf8') === `${process.pid}`
  expect(await until(hasLeft, { timeoutMs: 5000 })).toBe(true)
  rmSync(procs('/sandbox'))
  await released
  expect(readdirSync(`${root}/unified`).includes('sandbox')).toBe(false)
  return logged
}

describe('the shim leaves the cgroup of its sandbox', () => {
  test('for where it came from', async () => {
    expect(await release('/from', { goesTo: '/from' })).toEqual([])
    expect(readFileSync(procs(''), 'utf8')).toBe('')
  })

  test('for the root, when where it came from is gone', async () => {
    rmSync(`${root}/unified/from`, { recursive: true })
    await release('/from', { goesTo: '' })
    expect(readdirSync(root)).toEqual(['unified'])
  })

  test.each(['/..', '/../../other', '/from/..'])(
    'for the root, when it came from %s, outside of its cgroup namespace: it writes nothing there, and says so',
    async (origin) => {
      const logged = await release(origin, { goesTo: '' })
      expect(readdirSync(root)).toEqual(['unified'])
      expect(logged).toEqual([origin])
    },
  )
})
