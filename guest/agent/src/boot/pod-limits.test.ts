import { afterAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { loadOnHost } from '../system/on-host.double.ts'

const top = mkdtempSync(join(tmpdir(), 'pod-limits-'))
afterAll(() => rmSync(top, { recursive: true }))

test('what the kernel counts for one user of the whole pod is bounded by the memory of each container', async () => {
  const machine = join(top, 'machine')
  // The kernel's own, of a machine that booted with 256 MiB.
  const kernels = {
    'fs/nr_open': '1048576',
    'fs/file-max': '24576',
    'fs/inotify/max_user_watches': '8192',
    'fs/inotify/max_user_instances': '128',
    'fs/epoll/max_user_watches': '52428',
    'fs/pipe-user-pages-soft': '16384',
    'vm/max_map_count': '65530',
    'kernel/pid_max': '32768',
  }
  for (const [name, value] of Object.entries(kernels)) {
    const file = `${machine}/proc/sys/${name}`
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, value)
  }
  const { module } = await loadOnHost<typeof import('./pod-limits.ts')>(
    'boot/pod-limits.ts',
    join(top, 'share'),
    machine,
  )
  module.liftPodLimits()
  const now = (name: string) => readFileSync(`${machine}/proc/sys/${name}`, 'utf8')
  // No limit. Beyond one, root of a container without CAP_SYS_RESOURCE gets pipes of 8 KiB, and the agent's own pipes are root's, too.
  expect(now('fs/pipe-user-pages-soft')).toStartWith('0')
  expect(now('fs/epoll/max_user_watches')).toBe(now('fs/file-max'))
  // The kernel takes no more.
  expect(now('fs/inotify/max_user_instances')).toBe(String(2 ** 31 - 1))
})
