import { expect, test } from 'bun:test'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mount, unmount } from '../../linux/mounts/mount.ts'
import { childrenOf, processRef } from '../../linux/processes/proc.ts'
import { enterMountSandbox, mountStuck } from '../../sharing/testing.ts'
import { sleep, until } from '../../time.ts'
import { keepCopy } from './copied-files.ts'

test.skipIf(!existsSync('/dev/fuse'))(
  'a volume that falls silent is told, holds up nothing, and leaves one stuck process however long it is looked at',
  async () => {
    const sandbox = enterMountSandbox()
    try {
      const source = join(sandbox.directory, 'volume')
      mkdirSync(source)
      using stuck = mountStuck(source)
      // As long as its server is there.
      mount({ source: 'tmpfs', target: source, type: 'tmpfs' })
      writeFileSync(join(source, 'file'), '')
      const copied: string[] = []
      const copyFile = async ({ path = '' }: { path?: string }) => void copied.push(path)
      const agent = { copyFile } as unknown as Parameters<typeof keepCopy>[0]
      const told: string[] = []
      const onError = (error: unknown) => void told.push(String(error))
      const request = { source, target: '/x', container: 'c1' }
      const copy = await keepCopy(agent, request, onError, { everyMs: 5, answerMs: 300 })
      expect(copied).toEqual(['/x', '/x/file'])
      unmount(source)
      expect(await until(() => told.length > 0, { timeoutMs: 10_000, everyMs: 5 })).toBe(true)
      await sleep(1000)
      copy.stop()
      const children = () => childrenOf(processRef(process.pid)!).length
      expect(children()).toBe(1)
      stuck.endServer()
      expect(await until(() => children() === 0, { timeoutMs: 10_000, everyMs: 5 })).toBe(true)
      expect(told[0]).toContain('[SHARE_SOURCE_SILENT]')
    } finally {
      sandbox.leave()
    }
  },
)
