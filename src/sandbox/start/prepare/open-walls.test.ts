import { expect, test } from 'bun:test'
import { readWarnings } from '../../../bundle/warnings.ts'
import { HostDouble } from '../doubles/host.double.ts'
import { warnOfOpenWalls } from './open-walls.ts'

const kvm = { accelerator: 'kvm', reason: 'it works' } as const

async function walls(changes: Parameters<HostDouble['request']>[0], rootBecause?: string) {
  using double = new HostDouble()
  const { config, container, log } = double.request(changes)
  const asked: string[] = []
  const landlockProblem = async () => {
    asked.push('landlock')
    return 'the kernel has none'
  }
  const { accelerator: wanted } = config.hypervisor
  const accelerator = wanted === 'tcg' ? ({ accelerator: 'tcg', reason: 'asked for' } as const) : kvm
  const open = await warnOfOpenWalls(
    { landlockProblem },
    { config, accelerator, share: { rootBecause }, bundle: container.bundle, log },
  )
  return { open: open.map(({ wall }) => wall), warnings: readWarnings(container.bundle), asked }
}

test('with every wall in place nobody is warned', async () => {
  expect(await walls({})).toEqual({ open: [], warnings: [], asked: [] })
})

test('the client is warned of each wall that does not stand', async () => {
  const { open, warnings } = await walls({ rootless: false }, 'a mount takes no id map')
  expect(open).toEqual(['rootless', 'virtiofsd'])
  expect(warnings).toHaveLength(2)
})

test('what was asked for by name is written down, and no warning', async () => {
  expect(await walls({ accelerator: 'tcg' })).toEqual({ open: ['kvm'], warnings: [], asked: [] })
})

test('the host is asked about Landlock only where a start without is allowed', async () => {
  const { open, asked } = await walls({ landlock: 'best-effort' })
  expect({ open, asked }).toEqual({ open: ['landlock'], asked: ['landlock'] })
})
