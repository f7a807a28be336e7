// test:vmm: every VMM
/** A container that is made anew under the id of one that has gone: it has a root file system of its own. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { rmSync } from 'node:fs'
import { unmountBelow } from '../../src/linux/mounts/mount.ts'
import { ownDirectory } from '../harness/directories.ts'
import { hostState } from '../harness/host/host.ts'
import { expectNothingLeft } from '../harness/host/nothing-left.ts'
import { scratch } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'
import { Pod } from './pod.ts'

setDefaultTimeout(slow(60_000))

const area = scratch()
const runDir = ownDirectory('/run/kt-')
let before: ReturnType<typeof hostState>
let pod: Pod
beforeAll(async () => {
  before = hostState(runDir)
  pod = await Pod.start({ id: 'anew', dir: `${area.path}/p`, runDir })
})
afterAll(async () => {
  await pod?.stop()
  unmountBelow(area.path)
  rmSync(runDir, { recursive: true })
  area[Symbol.dispose]()
  await expectNothingLeft(before, runDir)
})

test('a container sees nothing of the one that had its id a moment ago', async () => {
  // The guest keeps names of the share for a second: each of these comes within it.
  for (const round of [1, 2, 3, 4]) {
    const script = 'cat /made; echo $0 > /made && cat /made && echo to-null > /dev/null'
    await pod.add('again', { args: ['sh', '-c', script, `${round}`] })
    const { code, stdout, stderr } = await pod.end('again')
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: `${round}\n`,
      stderr: "cat: can't open '/made': No such file or directory\n",
    })
  }
})
