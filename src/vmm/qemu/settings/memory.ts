/** The guest's memory as QEMU's arguments: what backs it, and the devices by which it grows, shrinks and gives back. */
import type { HypervisorConfig } from '../../../config/config.ts'
import { KataError } from '../../../errors.ts'
import type { MachineSpec } from '../../vmm.ts'
import type { HostFacts } from '../host-facts.ts'
import { memoryFile, memoryFileOf } from './template.ts'

/** What configuration and host say of memory. */
export type MemorySettings = Pick<
  HypervisorConfig,
  'memorySlots' | 'enableVirtioMem' | 'enableHugepages' | 'enableMemPrealloc' | 'reclaimGuestFreedMemory'
> &
  Pick<HostFacts, 'hostMemoryMiB'>

/** QEMU's name for the virtio-mem device. */
export const virtioMemId = 'vmem'
/** Unit in which a guest takes memory, MiB; only guests of more than 64 GiB have larger ones. */
const blockMiB = 128
/** TCG's CPU addresses 40 bits; half of it is kept for devices. */
const mostTcgMemoryMiB = 512 * 1024

/** Memory at boot and at most, MiB. @throws KataError VMM_OPTION_INVALID. */
export function memorySizes(
  spec: MachineSpec,
  settings: MemorySettings,
): { readonly bootMiB: number; readonly maxMiB: number } {
  const bootMiB = spec.memoryMiB
  if (!Number.isSafeInteger(bootMiB) || bootMiB <= 0)
    throw new KataError('VMM_OPTION_INVALID', { reason: `default_memory is ${bootMiB}` })
  const wanted = spec.maxMemoryMiB || settings.hostMemoryMiB
  const most = spec.accelerator === 'tcg' ? Math.min(wanted, mostTcgMemoryMiB) : wanted
  // Whole blocks on top of the boot memory, so that the last of it can be used as well.
  const blocks = Math.ceil((most - bootMiB) / blockMiB)
  const growable = blocks > 0 && (settings.enableVirtioMem || settings.memorySlots > 0)
  return { bootMiB, maxMiB: growable ? bootMiB + blocks * blockMiB : bootMiB }
}

/** A memory object of QEMU: shared, because a share daemon reads and writes the guest's memory directly. */
export function memoryBackend(
  { enableHugepages, enableMemPrealloc }: Pick<MemorySettings, 'enableHugepages' | 'enableMemPrealloc'>,
  id: string,
  sizeMiB: number,
): {
  readonly id: string
  readonly 'qom-type': string
  readonly [option: string]: string | number | boolean
} {
  return {
    'qom-type': 'memory-backend-memfd',
    id,
    size: sizeMiB * 1024 * 1024,
    share: true,
    ...(enableHugepages ? { hugetlb: true } : {}),
    ...(enableMemPrealloc ? { prealloc: true } : {}),
  }
}

export function memoryArgs(spec: MachineSpec, settings: MemorySettings): string[] {
  const { bootMiB, maxMiB } = memorySizes(spec, settings)
  const slots = settings.enableVirtioMem ? '' : `,slots=${settings.memorySlots}`
  const room = maxMiB > bootMiB ? `${slots},maxmem=${maxMiB}M` : ''
  return [
    ...['-m', `size=${bootMiB}M${room}`],
    ...['-object', bootMemory(spec, settings, bootMiB)],
    ...(settings.enableVirtioMem && room !== '' ? virtioMemArgs(settings, maxMiB - bootMiB) : []),
    // Pages that the guest has freed are told to QEMU, which gives them back to the host.
    ...(settings.reclaimGuestFreedMemory
      ? ['-device', 'virtio-balloon-pci,id=balloon,free-page-reporting=on,bus=pcie.0']
      : []),
  ]
}

function bootMemory(spec: MachineSpec, settings: MemorySettings, bootMiB: number): string {
  const file = memoryFileOf(spec)
  if (file === undefined) return objectArgument(memoryBackend(settings, 'mem', bootMiB))
  // A file that is only read: what the guest writes becomes a page of QEMU's own.
  const use = file.access === 'read' ? 'share=off,readonly=on,rom=off' : 'share=on'
  return `memory-backend-file,id=mem,size=${bootMiB}M,mem-path=${memoryFile},${use}`
}

/** Memory that is there from the start and not used yet: nothing of it is reserved or allocated. */
function virtioMemArgs(settings: MemorySettings, sizeMiB: number): string[] {
  const backend = memoryBackend({ ...settings, enableMemPrealloc: false }, `${virtioMemId}-memory`, sizeMiB)
  // A huge page that cannot be had must fail here: touched later, it would end QEMU.
  const prealloc = settings.enableHugepages || settings.enableMemPrealloc ? ',prealloc=on' : ''
  const device = `virtio-mem-pci,id=${virtioMemId},memdev=${backend.id},requested-size=0,bus=pcie.0${prealloc}`
  return ['-object', `${objectArgument(backend)},reserve=off`, '-device', device]
}

function objectArgument({ 'qom-type': type, size, ...options }: ReturnType<typeof memoryBackend>): string {
  const mebibytes = `${Number(size) / 1024 / 1024}M`
  const rest = Object.entries(options).map(([name, value]) => `${name}=${value === true ? 'on' : value}`)
  return [type, rest[0], `size=${mebibytes}`, ...rest.slice(1)].join(',')
}
