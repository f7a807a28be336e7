import { expect, test } from 'bun:test'
import { drivers } from '../config/drivers.ts'
import { builtInConfig } from '../config/load.ts'
import { readHostSize } from '../config/validate.ts'
import { vmmFeatures } from './create.ts'

test('a configured VMM either has a driver or is refused by a coded error that names those which have', () => {
  const usable = drivers.filter((driver) => {
    try {
      return vmmFeatures(builtInConfig(readHostSize(), driver)) !== undefined
    } catch (error) {
      expect(error).toMatchObject({ code: 'VMM_NOT_SUPPORTED' })
      expect(String(error)).toContain('[hypervisor.qemu]')
      return false
    }
  })
  expect(usable).toContain('qemu')
})
