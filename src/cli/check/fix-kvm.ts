/** The three commands that Kata documents for rootless VMMs, and nothing else. */
import { KataError } from '../../errors.ts'
import type { HostProbe } from './host-probe.ts'
import { kvmDevice } from './kvm-checks.ts'

export interface FixStep {
  /** The command as a person would type it. */
  readonly command: string
  readonly status: 'done' | 'not needed' | 'failed'
  readonly detail: string
}

/**
 * Gives /dev/kvm to root:kvm with mode 0660; makes the group if it does not exist. Steps after a failed one are not run.
 * The change lasts until the node is made anew; udev's own rule does the same at boot once the group exists.
 * @throws KataError NOT_ROOT, KVM_MISSING
 */
export async function fixKvm(host: HostProbe): Promise<FixStep[]> {
  if (host.uid() !== 0) throw new KataError('NOT_ROOT', { what: 'kata-ts check --fix-kvm' })
  const node = host.stat(kvmDevice)
  // lstat: through a symbolic link, owner and mode would change on its target.
  if (node?.kind !== 'character-device')
    throw new KataError('KVM_MISSING', {
      path: kvmDevice,
      reason: node === undefined ? 'it does not exist' : `it is a ${node.kind}`,
    })
  const hasGroup = /^kvm:/m.test(host.readText('/etc/group') ?? '')
  const steps: FixStep[] = []
  if (hasGroup) steps.push({ command: 'groupadd kvm -r', status: 'not needed', detail: 'the group exists' })
  const commands = [
    ...(hasGroup ? [] : [['groupadd', 'kvm', '-r']]),
    ['chown', 'root:kvm', kvmDevice],
    ['chmod', '660', kvmDevice],
  ]
  for (const [tool, ...args] of commands) {
    const step = await runStep(host, tool!, args)
    steps.push(step)
    if (step.status === 'failed') break
  }
  return steps
}

async function runStep(host: HostProbe, tool: string, args: readonly string[]): Promise<FixStep> {
  const command = [tool, ...args].join(' ')
  const path = host.findTool(tool)
  if (path === undefined) return { command, status: 'failed', detail: `${tool} was not found` }
  const { code, text } = await host.run([path, ...args])
  return code === 0
    ? { command, status: 'done', detail: '' }
    : { command, status: 'failed', detail: `exit code ${code}: ${text.trim()}` }
}
