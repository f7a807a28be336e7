import { expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { configurations } from '../config/drivers.ts'
import { builtInConfig } from '../config/load.ts'
import { readHostSize } from '../config/validate.ts'
import { vmmFeatures } from './create.ts'

test('every VMM that can be configured has a driver', () => {
  for (const { driver, folder } of configurations) {
    expect(vmmFeatures(builtInConfig(readHostSize(), driver)).share).toBeString()
    expect(existsSync(join(import.meta.dir, folder, 'configuration/configuration.ts'))).toBe(true)
  }
})
