import { expect, test } from 'bun:test'
import { drivers } from '../config/drivers.ts'
import { builtInConfig } from '../config/load.ts'
import { readHostSize } from '../config/validate.ts'
import { vmmFeatures } from './create.ts'

test('every VMM that can be configured has a driver', () => {
  for (const driver of drivers)
    expect(vmmFeatures(builtInConfig(readHostSize(), driver)).accelerators).toContain('kvm')
})
