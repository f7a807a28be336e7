import { expect, test } from 'bun:test'
import { builtInConfig } from '../../config/load.ts'
import { readHostSize } from '../../config/validate.ts'
import { silentLogger } from '../../log.ts'
import type { VmmOptions } from '../vmm.ts'
import { createFirecracker } from './firecracker.ts'

test('a card that comes when the machine runs is refused by name', async () => {
  const config = builtInConfig(readHostSize(), 'firecracker')
  const machine = createFirecracker({ config, spec: {}, log: silentLogger } as unknown as VmmOptions)
  await expect(machine.plugNic({} as never)).rejects.toMatchObject({
    code: 'VMM_NO_HOT_NICS',
    fields: { vmm: 'Firecracker' },
    remedy: expect.stringContaining('another VMM'),
  })
})
