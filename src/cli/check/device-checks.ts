/**
 * Checks the host's devices for machines. A device that the configuration does not ask for is no fault of the
 * host, so it is ok, and the detail says what there is and how to get it.
 */
import type { HypervisorConfig } from '../../config/config.ts'
import { channelOf } from '../../config/kata/own-guest.ts'
import { vsockDevice } from '../../vmm/host/vsock.ts'
import { type Check, type CheckContext, failed, type Outcome, ok, warning } from './check.ts'

/** Says what was found of something that only some configurations use. `remedy` goes on after a colon. */
function optional(isUsed: boolean, key: string, isThere: boolean, detail: string, remedy: string): Outcome {
  if (isUsed) return isThere ? ok(detail) : failed(detail, `${remedy[0]!.toUpperCase()}${remedy.slice(1)}.`)
  return ok(`${detail}; not used: ${key}${isThere ? '' : `; to have it: ${remedy}`}`)
}

const isDevice = ({ host }: CheckContext, path: string) => host.stat(path)?.kind === 'character-device'

const vhostNet: Check = {
  name: 'vhost-net',
  run: (context) => {
    if (context.config.hypervisor.disableVhostNet) return ok('not used: disable_vhost_net = true')
    return isDevice(context, '/dev/vhost-net')
      ? ok('/dev/vhost-net, handed over as a descriptor for each queue')
      : warning(
          'no /dev/vhost-net: the VMM moves packets itself, which is slower',
          'Run `modprobe vhost_net`.',
        )
  },
}

const vhostVsock: Check = {
  name: 'vhost-vsock',
  run: (context) => {
    const { hypervisor } = context.config
    const channel = channelOf(hypervisor)
    const isThere = isDevice(context, vsockDevice)
    if (channel === 'auto' && !isThere)
      return warning(
        `no ${vsockDevice}: an agent that speaks only vsock, such as Kata's, cannot be reached`,
        'Run `modprobe vhost_vsock`.',
      )
    return optional(
      ...([channel !== 'serial', `agent_channel = "${hypervisor.agentChannel}"`, isThere] as const),
      isThere ? `${vsockDevice}, handed over as a descriptor` : `no ${vsockDevice}`,
      'run `modprobe vhost_vsock`',
    )
  },
}

const hugePages: Check = {
  name: 'huge-pages',
  run: ({ host, config }) => {
    const { enableHugepages, defaultMemory } = config.hypervisor
    const meminfo = host.readText('/proc/meminfo') ?? ''
    const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(meminfo)?.[1] ?? 0)
    const pageKiB = field('Hugepagesize')
    const freeMiB = Math.floor(((field('HugePages_Free') - field('HugePages_Rsvd')) * pageKiB) / 1024)
    return optional(
      ...([enableHugepages, 'enable_hugepages = false', freeMiB >= defaultMemory] as const),
      pageKiB === 0 ? 'the kernel has no huge pages' : `${freeMiB} MiB free in pages of ${pageKiB} KiB`,
      `run \`sysctl vm.nr_hugepages=N\`, enough for ${defaultMemory} MiB for each sandbox`,
    )
  },
}

const tpm: Check = {
  name: 'tpm',
  run: ({ host, config }) => {
    const { enableTpm, swtpmPath } = config.hypervisor
    const isThere = host.isExecutable(swtpmPath)
    const detail = isThere ? `${swtpmPath} emulates one for each sandbox` : `${swtpmPath} does not exist`
    return optional(enableTpm, 'enable_tpm = false', isThere, detail, 'run `apt-get install swtpm`')
  },
}

const usesVfio = ({ hotPlugVfio, coldPlugVfio }: HypervisorConfig) =>
  hotPlugVfio !== 'no-port' || coldPlugVfio !== 'no-port'

const vfio: Check = {
  name: 'vfio',
  run: (context) => {
    const { host, config } = context
    const isUsed = usesVfio(config.hypervisor)
    const tell = (isThere: boolean, detail: string, remedy: string) =>
      optional(isUsed, 'hot_plug_vfio and cold_plug_vfio are "no-port"', isThere, detail, remedy)
    if (host.list('/sys/kernel/iommu_groups').length === 0)
      return tell(
        false,
        'no IOMMU',
        'enable VT-d or AMD-Vi in the firmware, and intel_iommu=on or amd_iommu=on for the kernel',
      )
    if (!isDevice(context, '/dev/iommu'))
      return tell(
        false,
        'no /dev/iommu',
        'run `modprobe iommufd`, on a kernel with CONFIG_IOMMUFD, which Debian 13 does not have',
      )
    const bound = host.list('/sys/class/vfio-dev').filter((name) => !name.startsWith('noiommu-'))
    return tell(
      bound.length > 0,
      bound.length === 0 ? '/dev/iommu, and no device bound to VFIO' : `/dev/iommu, and ${bound.join(', ')}`,
      'run `driverctl set-override ADDRESS vfio-pci`, on a kernel with CONFIG_VFIO_DEVICE_CDEV',
    )
  },
}

export const deviceChecks: readonly Check[] = [vhostNet, vhostVsock, hugePages, tpm, vfio]
