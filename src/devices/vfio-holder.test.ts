import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { vfioHolder } from './vfio-holder.ts'

const canMakeNodes = process.getuid?.() === 0
if (!canMakeNodes) console.log('skipped: only root can make device nodes')

describe.skipIf(!canMakeNodes)('who has a device', () => {
  let root: string
  let node: string
  beforeAll(() => {
    root = mkdtempSync(`${tmpdir()}/vfio-holder-`)
    node = `${root}/vfio0`
    // That of /dev/full, which opens without hardware. Tests beside this one have nodes of such names with that of /dev/null.
    Bun.spawnSync(['/usr/bin/mknod', node, 'c', '1', '7'])
    for (const pid of ['10', '11', '12']) mkdirSync(`${root}/proc/${pid}/fd`, { recursive: true })
    mkdirSync(`${root}/proc/sys`)
    symlinkSync('/dev/full', `${root}/proc/10/fd/3`)
    symlinkSync('/gone/vfio0', `${root}/proc/10/fd/4`)
    symlinkSync(node, `${root}/proc/12/fd/7`)
  })
  afterAll(() => rmSync(root, { recursive: true }))

  test('a process with a descriptor of that number and such a name', () => {
    expect(vfioHolder({ major: 1, minor: 7 }, 1, `${root}/proc`)).toBe(12)
  })

  test('nobody: another number, or this process itself', () => {
    expect(vfioHolder({ major: 1, minor: 5 }, 1, `${root}/proc`)).toBeUndefined()
    expect(vfioHolder({ major: 1, minor: 7 }, 12, `${root}/proc`)).toBeUndefined()
  })

  test('a real process is found, and no longer once it has closed it', async () => {
    const fd = openSync(node, 'r+')
    const child = Bun.spawn(['/usr/bin/sleep', '60'], { stdio: [fd, 'ignore', 'ignore'] })
    closeSync(fd)
    expect(vfioHolder({ major: 1, minor: 7 })).toBe(child.pid)
    child.kill()
    await child.exited
    expect(vfioHolder({ major: 1, minor: 7 })).toBeUndefined()
  })
})
