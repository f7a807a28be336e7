import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { CgroupHierarchy } from '../linux/cgroups/cgroup.ts'
import { outOfMemory, requireMemory } from './memory.ts'

/** Stands for a mounted hierarchy; its files are ordinary ones. */
let point: string
beforeEach(() => {
  point = mkdtempSync(`${tmpdir()}/memory-`)
  mkdirSync(`${point}/pod/sandbox`, { recursive: true })
})
afterEach(() => rmSync(point, { recursive: true }))

const mebibyte = 1024 * 1024
const versions = [
  [1, 'memory.limit_in_bytes', 'memory.oom_control', '9223372036854771712'],
  [2, 'memory.max', 'memory.events', 'max'],
] as const
const write = (cgroup: string, name: string, text: string | number) =>
  writeFileSync(`${point}${cgroup}/${name}`, `${text}\n`)

test.each(versions)(
  'version %i: a machine needs 128 MiB, of its own cgroup and of those above',
  (version, limit, _, none) => {
    const hierarchy: CgroupHierarchy = { point, version, controllers: version === 1 ? ['memory'] : [] }
    const require = () => requireMemory(hierarchy, '/pod/sandbox')
    require()
    write('/pod', limit, 128 * mebibyte)
    write('/pod/sandbox', limit, none)
    require()
    write('/pod/sandbox', limit, 512 * mebibyte)
    require()
    write('/pod', limit, 128 * mebibyte - 1)
    // The tightest counts, and is named.
    expect(require).toThrow(
      expect.objectContaining({
        code: 'CGROUP_MEMORY_TOO_SMALL',
        fields: { path: `${point}/pod`, limitMiB: 127, leastMiB: 128 },
      }),
    )
  },
)

test.each(versions)(
  'version %i: an end for want of memory names whose limit that was',
  (version, limit, events, none) => {
    const hierarchy: CgroupHierarchy = { point, version, controllers: version === 1 ? ['memory'] : [] }
    const end = () => outOfMemory(hierarchy, '/pod/sandbox', 'web')
    expect(end()).toBeUndefined()
    write('/pod/sandbox', events, 'under_oom 0\noom 3\noom_kill 0')
    expect(end()).toBeUndefined()
    write('/pod/sandbox', events, 'under_oom 0\noom 3\noom_kill 1')
    write('/pod/sandbox', limit, none)
    expect(end()).toMatchObject({
      code: 'CGROUP_OUT_OF_MEMORY',
      fields: { sandbox: 'web', path: 'the whole host' },
    })
    write('/pod', limit, 256 * mebibyte)
    expect(end()).toMatchObject({ fields: { sandbox: 'web', path: `${point}/pod`, limitMiB: 256 } })
  },
)
