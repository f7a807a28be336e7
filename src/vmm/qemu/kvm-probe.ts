/** The proof that KVM works: the actual guest, jailed as always, comes up to opening the agent's port. */
import type { ProbeOutcome } from '../accelerator.ts'
import { lastWords } from '../end-error.ts'
import type { VmSpec } from '../vmm.ts'
import { agentPortId } from './command-line.ts'
import { createQemu, type QemuOptions } from './qemu.ts'

/** A working KVM guest is up in well under a second; one that hangs never is. Milliseconds. */
const probeMs = 5000

/**
 * Boots the machine of `options` with KVM and without its share, and ends it. It uses the identity, directories and
 * ledger of the sandbox that is being started, before the sandbox's own VMM does.
 */
export async function probeKvm(options: QemuOptions): Promise<ProbeOutcome> {
  const { share: _, ...rest } = options.spec
  const spec: VmSpec = { ...rest, accelerator: 'kvm' }
  const up = Promise.withResolvers<ProbeOutcome>()
  const onEvent = (name: string, data: Readonly<Record<string, unknown>>) => {
    if (name === 'VSERPORT_CHANGE' && data.id === agentPortId && data.open === true)
      up.resolve({ works: true, reason: 'the guest booted with it' })
  }
  const vmm = createQemu({ ...options, spec, onEvent })
  const timer = setTimeout(
    () => up.resolve({ works: false, reason: `no guest came up within ${probeMs / 1000} s` }),
    probeMs,
  )
  try {
    await vmm.start()
    await vmm.boot()
    const over = vmm.ended.then((end) => ({
      works: false,
      reason: `the guest ended with ${end.reason}: ${lastWords(end.consoleTail, end.logTail)}`,
    }))
    return await Promise.race([up.promise, over])
  } finally {
    clearTimeout(timer)
    await vmm.stop()
  }
}
