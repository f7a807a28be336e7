import { afterAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadOnHost } from '../system/on-host.double.ts'

const top = mkdtempSync(join(tmpdir(), 'virtio-mmio-'))
afterAll(() => rmSync(top, { recursive: true }))
const machine = join(top, 'machine')
mkdirSync(join(machine, 'lib/modules'), { recursive: true })
const { module } = await loadOnHost<typeof import('./virtio-mmio.ts')>(
  'boot/virtio-mmio.ts',
  join(top, 'share'),
  machine,
)

test('an image without modules boots, as its kernel has what it needs', () => {
  expect(module.findDevicesWithoutPci).not.toThrow()
})

test('the driver of an image that has it is loaded', () => {
  writeFileSync(join(machine, 'lib/modules/modules.list'), 'virtio_mmio: virtio_mmio\n')
  // The double loads no module.
  expect(module.findDevicesWithoutPci).toThrow('ENOSYS')
})
