// test:vmm: qemu
/** The QEMU driver alone: real QEMU, real jail, real guest; no sandbox around it. What every driver must do: machine/suite.ts. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, readlinkSync } from 'node:fs'
import { describeError } from '../src/errors.ts'
import { processResource } from '../src/ledger/process-resource.ts'
import { readStatus } from '../src/linux/processes/proc.ts'
import { probeKvm } from '../src/vmm/qemu/kvm-probe.ts'
import { findVmm } from './harness/vmm.ts'
import { bootLimitMs, kvmGroup, kvmGroupUsable, MachineStage } from './machine/stage.ts'
import { machineSuite } from './machine/suite.ts'

const qemu = await findVmm('qemu')
machineSuite(qemu, { sockets: ['agent.sock', 'console.sock', 'qmp.sock'] })

let stage: MachineStage
beforeEach(async () => {
  stage = await MachineStage.open(qemu)
})
afterEach(() => stage[Symbol.asyncDispose]())

test('a QEMU that refuses its arguments says why', async () => {
  const vmm = await stage.create({ memoryMiB: 1 << 30, maxMemoryMiB: 1 << 30 })
  await expect(vmm.start()).rejects.toThrow(/^\[VMM_EXITED\].*(memory|memfd|size)/is)
  expect(stage.ledger.dataOf(processResource)).toEqual([])
  expect(readdirSync(stage.privateDir)).toEqual([])
})

/** A host that hangs shall not hold the suite up; a slow one has its trial in a start of its own. */
const probeMs = 8000
const noKvm = kvmGroupUsable ? '' : ' (skipped: /dev/kvm has no group of its own)'

describe.skipIf(noKvm !== '')(`with KVM${noKvm}`, () => {
  test('the unprivileged VMM opens the device by its group and creates the machine', async () => {
    // A model that every KVM can make: `host` needs registers that a software KVM may not have.
    const vmm = await stage.create({ accelerator: 'kvm', kvmCpu: 'qemu64' })
    const { ref } = await vmm.start()
    const targets = readdirSync(`/proc/${ref.pid}/fd`).map((fd) => readlinkSync(`/proc/${ref.pid}/fd/${fd}`))
    expect(targets).toContain('anon_inode:kvm-vm')
    expect(readStatus(`/proc/${ref.pid}/status`)?.get('Groups')).toBe(`${kvmGroup}`)
    await vmm.stop()
  })
})

const noNode = existsSync('/dev/kvm') ? '' : ' (skipped: there is no /dev/kvm)'

// By descriptor, so that the group of the node does not matter.
test.skipIf(noNode !== '')(
  `a trial of KVM ends with a reason and leaves nothing, whatever this host can do${noNode}`,
  async () => {
    const unmade = (error: unknown) => ({ works: false, reason: describeError(error) })
    const options = stage.options({ kvmAccess: 'descriptor', identity: { ...stage.identity, groups: [] } })
    const outcome = await probeKvm({ ...options, limitMs: probeMs }).catch(unmade)
    expect(outcome.reason).toMatch(
      outcome.works ? /booted/ : /no guest came up within 8 s|the guest ended|VMM_/,
    )
    expect(stage.ledger.dataOf(processResource)).toEqual([])
    expect(readdirSync(stage.privateDir)).toEqual([])
  },
  bootLimitMs,
)
