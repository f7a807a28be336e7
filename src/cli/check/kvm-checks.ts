/** /dev/kvm as rootless VMMs need it, and the CPU behind it. A missing part fails only if the configuration requires KVM. */
import { configurations } from '../../config/drivers.ts'
import { vmmFeatures } from '../../vmm/create.ts'
import { type Check, type CheckContext, failed, type Outcome, ok, warning } from './check.ts'

export const kvmDevice = '/dev/kvm'
const threeCommands =
  'Run `groupadd kvm -r`, `chown root:kvm /dev/kvm` and `chmod 660 /dev/kvm`, or `kata-ts check --fix-kvm`.'

const cpu: Check = {
  name: 'cpu',
  run: ({ host, config }) => {
    if (config.hypervisor.accelerator === 'tcg') return ok('not used: accelerator = "tcg"')
    const flags = /^flags\s*:(.*)$/m.exec(host.readText('/proc/cpuinfo') ?? '')?.[1]?.split(' ') ?? []
    const found = ['vmx', 'svm'].find((flag) => flags.includes(flag))
    if (found !== undefined) return ok(`hardware virtualization (${found})`)
    return withoutKvm(config, 'the CPU shows neither vmx nor svm')
  },
}

const kvm: Check = {
  name: 'kvm',
  run: (context) => {
    const { host, config } = context
    if (config.hypervisor.accelerator === 'tcg') return ok('not used: accelerator = "tcg"')
    const node = host.stat(kvmDevice)
    if (node === undefined) return withoutKvm(config, `${kvmDevice} does not exist`)
    if (node.kind !== 'character-device') return withoutKvm(config, `${kvmDevice} is not a device`)
    if (config.hypervisor.kvmAccess === 'descriptor')
      return ok(`${kvmDevice}, handed over as a descriptor: no user needs its group (kvm_access)`)
    if (vmmFeatures(config).ownKvmNode)
      return ok(`${kvmDevice}: each VMM has a node of its own in its jail, whatever the owner of this one`)
    const mode = node.mode.toString(8).padStart(4, '0')
    const found = `${kvmDevice} has owner ${node.uid}, group ${groupName(context, node.gid)} and mode ${mode}`
    if (node.gid === 0 || (node.mode & 0o060) !== 0o060) return withoutGroup(context, found)
    if ((node.mode & 0o006) !== 0)
      return warning(`${found}: every user of this host may use it`, threeCommands)
    if (node.uid !== 0) return warning(`${found}: its owner may change its mode`, threeCommands)
    const more = alsoOfGroup(context, node.gid)
    return ok(
      more === '' ? found : `${found}; that group opens ${more}, too, outside of the jail (kvm_access)`,
    )
  },
}

/** The accelerator that machines really get: a node that looks right is no proof. */
const accelerator: Check = {
  name: 'accelerator',
  run: ({ host, config }) => {
    const { accelerator: found, reason, failure } = host.accelerator(config)
    if (failure !== undefined)
      return warning(
        `auto: ${reason}; a start whose trial fails runs under TCG, no security boundary`,
        'Raise dial_timeout if guests boot slowly, or set accelerator = "kvm": a start then fails and says why.',
      )
    if (found === 'unknown') return ok(`auto: ${reason}`)
    if (found === 'kvm') return ok(`kvm (${reason})`)
    return config.hypervisor.accelerator === 'tcg'
      ? ok(`tcg (${reason}): emulation, no security boundary`)
      : warning(
          `tcg (${reason}): emulation, many times slower and no security boundary`,
          'Remove what keeps KVM from being used, or set accelerator = "tcg" if you want emulation.',
        )
  },
}

export const kvmChecks: readonly Check[] = [cpu, kvm, accelerator]

function withoutKvm({ hypervisor }: CheckContext['config'], detail: string): Outcome {
  const load =
    'Enable virtualization in the firmware (or nested virtualization) and load kvm_intel or kvm_amd'
  const emulating = configurations.filter(({ accelerators }) => accelerators.includes('tcg'))
  const withoutIt = emulating.some(({ driver }) => driver === hypervisor.driver)
    ? 'set accelerator = "tcg" (emulation, no security boundary)'
    : `use ${emulating.map(({ driver }) => `[hypervisor.${driver}]`).join(' or ')}`
  return hypervisor.accelerator === 'kvm'
    ? failed(detail, `${load}, or ${withoutIt}.`)
    : warning(`${detail}: machines run under TCG, many times slower`, `${load}.`)
}

/** The VMM's user could not open the node, or would need group 0, which is never handed over. */
function withoutGroup({ config }: CheckContext, found: string): Outcome {
  if (!config.hypervisor.rootless) return warning(`${found}: a rootless VMM could not open it`, threeCommands)
  const detail = `${found}: the VMM's user cannot open it`
  return config.hypervisor.accelerator === 'kvm'
    ? failed(detail, threeCommands)
    : warning(detail, threeCommands)
}

/** Nodes that systemd's udev rules give to the group as well. */
function alsoOfGroup({ host }: CheckContext, gid: number): string {
  const isOpen = (path: string) => {
    const stat = host.stat(path)
    return stat !== undefined && stat.gid === gid && (stat.mode & 0o060) !== 0
  }
  return ['/dev/vhost-vsock', '/dev/vhost-net', '/dev/udmabuf'].filter(isOpen).join(', ')
}

function groupName({ host }: CheckContext, gid: number): string {
  const line = host
    .readText('/etc/group')
    ?.split('\n')
    .find((text) => text.split(':')[2] === String(gid))
  return line === undefined ? String(gid) : `${line.split(':')[0]} (${gid})`
}
