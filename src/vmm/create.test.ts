import { expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { configurations } from '../config/drivers.ts'
import { builtInConfig } from '../config/load.ts'
import { readHostSize } from '../config/validate.ts'
import { clhFeatures } from './cloud-hypervisor/cloud-hypervisor.ts'
import { vmmFeatures } from './create.ts'
import { firecrackerFeatures } from './firecracker/firecracker.ts'
import { qemuFeatures } from './qemu/qemu.ts'

test('every VMM that can be configured has a driver', () => {
  for (const { driver, folder } of configurations) {
    expect(vmmFeatures(builtInConfig(readHostSize(), driver)).share).toBeString()
    expect(existsSync(join(import.meta.dir, folder, 'configuration/configuration.ts'))).toBe(true)
  }
})

test('what machines can do is what the code of their driver says', () => {
  const features = { qemu: qemuFeatures, clh: clhFeatures, firecracker: firecrackerFeatures }
  for (const { driver } of configurations)
    expect(vmmFeatures(builtInConfig(readHostSize(), driver))).toEqual(features[driver])
})
