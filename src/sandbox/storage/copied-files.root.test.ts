import { expect, test } from 'bun:test'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mount, unmount } from '../../linux/mounts/mount.ts'
import { enterMountSandbox, mountSilent } from '../../sharing/testing.ts'
import { until } from '../../time.ts'
import { keepCopy } from './copied-files.ts'

test.skipIf(!existsSync('/dev/fuse'))(
  'a volume that falls silent is told, and holds up nothing',
  async () => {
    const sandbox = enterMountSandbox()
    try {
      const source = join(sandbox.directory, 'volume')
      mkdirSync(source)
      using _silent = mountSilent(source)
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
      copy.stop()
      expect(told[0]).toContain('[SHARE_SOURCE_SILENT]')
    } finally {
      sandbox.leave()
    }
  },
)
