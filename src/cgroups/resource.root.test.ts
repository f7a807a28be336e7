import { afterEach, describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import {
  type CgroupHierarchy,
  cgroupDirectory,
  cgroupHierarchies,
  cgroupOf,
  enterCgroup,
  hierarchyOf,
  makeCgroup,
  removeCgroup,
} from '../linux/cgroups/cgroup.ts'
import { silentLogger } from '../log.ts'
import { clocksThatRush } from '../time.double.ts'
import { cgroupsResource } from './resource.ts'

const path = `/kata-ts-resource-test-${process.pid}`

/** One of each version that this host has, of those where cgroups can be made. */
function usable(): CgroupHierarchy[] {
  const all = cgroupHierarchies()
  const candidates = [all.find(({ version }) => version === 2), hierarchyOf(all, 'memory')]
  return [...new Set(candidates)].filter((hierarchy) => hierarchy !== undefined)
}

describe.each(usable().map((hierarchy) => [hierarchy.point, hierarchy] as const))(
  'cgroups in %s',
  (_, hierarchy) => {
    const place = () => ({
      point: hierarchy.point,
      path,
      origin: cgroupOf('self', hierarchy) ?? '/',
      ancestors: [],
    })

    // A test that has failed leaves it, with what is in it.
    afterEach(() => cgroupsResource.release({ places: [place()] }, silentLogger))

    test('what is left in one ends there, and leaves it no other way', async () => {
      const left = place()
      makeCgroup(hierarchy, path)
      const child = Bun.spawn(['/usr/bin/sleep', '100'])
      await enterCgroup(hierarchy, path, child.pid)
      expect(cgroupOf(child.pid, hierarchy)).toBe(path)
      await cgroupsResource.release({ places: [left] }, silentLogger)
      expect(existsSync(cgroupDirectory(hierarchy, path))).toBe(false)
      expect(await child.exited).toBe(137)
    })

    test('one that was perhaps another sandbox’s goes when nothing is in it, and else stays', async () => {
      const wanted = { places: [place()], areOurs: false } as const
      makeCgroup(hierarchy, path)
      const child = Bun.spawn(['/usr/bin/sleep', '100'])
      await enterCgroup(hierarchy, path, child.pid)
      await cgroupsResource.release(wanted, silentLogger)
      expect(cgroupOf(child.pid, hierarchy)).toBe(path)
      child.kill('SIGKILL')
      await child.exited
      await cgroupsResource.release(wanted, silentLogger)
      expect(existsSync(cgroupDirectory(hierarchy, path))).toBe(false)
    })

    test('one with a process in it that does not end stays, and is told with it', async () => {
      const left = place()
      makeCgroup(hierarchy, path)
      const child = Bun.spawn(['/usr/bin/sleep', '100'])
      await enterCgroup(hierarchy, path, child.pid)
      {
        // As if it had been killed for all the time there is.
        using _rush = clocksThatRush()
        await expect(cgroupsResource.release({ places: [left] }, silentLogger)).rejects.toMatchObject({
          code: 'CGROUP_STAYS',
          fields: { path: `${hierarchy.point}${path}`, pids: `${child.pid}` },
          remedy: expect.stringContaining('kata-ts gc'),
        })
      }
      expect(existsSync(cgroupDirectory(hierarchy, path))).toBe(true)
      await cgroupsResource.release({ places: [left] }, silentLogger)
      expect(await child.exited).toBe(137)
    })

    test('empty ancestors go with it, from the inside out, and none above one that is in use', async () => {
      const [outer, inner, used] = [path, `${path}/inner`, `${path}/used`] as const
      const left = { ...place(), path: `${inner}/sandbox`, ancestors: [outer, inner] }
      const there = () => [outer, inner, left.path].map((one) => existsSync(cgroupDirectory(hierarchy, one)))
      makeCgroup(hierarchy, left.path)
      makeCgroup(hierarchy, used)
      await cgroupsResource.release({ places: [left] }, silentLogger)
      expect(there()).toEqual([true, false, false])
      makeCgroup(hierarchy, left.path)
      removeCgroup(hierarchy, used)
      await cgroupsResource.release({ places: [left] }, silentLogger)
      expect(there()).toEqual([false, false, false])
    })

    test('this process goes back to where it was', async () => {
      const left = place()
      makeCgroup(hierarchy, path)
      await enterCgroup(hierarchy, path, process.pid)
      await cgroupsResource.release({ places: [left] }, silentLogger)
      expect(cgroupOf('self', hierarchy)).toBe(left.origin)
      expect(existsSync(cgroupDirectory(hierarchy, path))).toBe(false)
    })

    test('this process goes to the root, when it came from outside of its cgroup namespace', async () => {
      const { origin, ...left } = place()
      const stray = `${hierarchy.point}/../cgroup.procs`
      const before = existsSync(stray)
      makeCgroup(hierarchy, path)
      await enterCgroup(hierarchy, path, process.pid)
      await cgroupsResource.release({ places: [{ ...left, origin: '/..' }] }, silentLogger)
      expect([cgroupOf('self', hierarchy), existsSync(stray)]).toEqual(['/', before])
      await enterCgroup(hierarchy, origin, process.pid)
    })
  },
)
