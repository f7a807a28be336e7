/**
 * From the machine asked for to the VmConfig of vm.create and to what the jail shows. Pure: the same input gives the
 * same configuration. Field names are those of Cloud Hypervisor's API description, version 0.3.0.
 */
import { KataError } from '../../../errors.ts'
import { agentPort } from '../../../protocol/agent-endpoint.ts'
import type { JailPath } from '../../../rootless/jail/launch-spec.ts'
import type { RateLimiter } from '../../machine/disk-limit.ts'
import { kernelCommandLine } from '../../machine/kernel-command-line.ts'
import type { ShareAttachment, VmSpec } from '../../vmm.ts'

/** What the configuration and the host say of the machine, besides the {@link VmSpec}. */
export interface MachineSettings {
  readonly entropySource: string
  /** Of one of the huge pages that memory is to be made of; absent: usual pages. */
  readonly hugePageBytes?: number
  /** These two have the names of their keys. */
  readonly enableMemPrealloc: boolean
  readonly reclaimGuestFreedMemory: boolean
  /** Whether it is put into a group of core scheduling with all of its threads; it would make another for its processors. */
  readonly enableCoreScheduling?: boolean
  /** What 0 stands for in `maxVcpus` and `maxMemoryMiB`. */
  readonly hostCpus: number
  readonly hostMemoryMiB: number
}

/** The parts of the API's VmConfig that we set. */
export interface VmConfig {
  readonly cpus: {
    readonly boot_vcpus: number
    readonly max_vcpus: number
    /** Whether the guest may be a host of machines itself. */
    readonly nested: false
    /** `Off`: its threads stay in the group that it was put into. */
    readonly core_scheduling?: 'Off'
  }
  readonly memory: MemoryConfig
  /** Takes no memory from the guest; it only tells of pages that the guest has freed. */
  readonly balloon?: { readonly size: 0; readonly free_page_reporting: true }
  readonly payload: { readonly kernel: string; readonly cmdline: string; readonly initramfs?: string }
  readonly rng: { readonly src: string }
  readonly serial: { readonly mode: 'Tty' }
  readonly console: { readonly mode: 'Off' }
  readonly fs?: readonly FsConfig[]
  readonly vsock: { readonly cid: number; readonly socket: string }
  readonly landlock_enable: true
  readonly landlock_rules: readonly { readonly path: string; readonly access: 'r' | 'rw' }[]
}

/** Bytes. */
export interface MemoryConfig {
  readonly size: number
  readonly shared: true
  readonly hotplug_size?: number
  readonly hugepages?: true
  /** Without it the VMM would look for a mounted hugetlbfs, and its jail has none. */
  readonly hugepage_size?: number
  /** Our promise stands for it: releases before 53 cannot reserve, and pages that those after it reserve by themselves would count twice. */
  readonly reserve?: false
  /** Takes it from the host at once. */
  readonly prefault?: true
}

export interface DiskConfig {
  readonly id: string
  readonly path: string
  readonly readonly: boolean
  readonly direct: boolean
  readonly image_type: 'Raw'
  readonly rate_limiter_config?: RateLimiter
}

interface FsConfig {
  readonly id: string
  readonly tag: string
  readonly socket: string
  readonly num_queues: number
  readonly queue_size: number
}

/** Where the VMM finds things in its jail. */
export const inJail = {
  kernel: '/boot/vmlinux',
  initrd: '/boot/initrd',
  /** The private directory. */
  sockets: '/sockets',
  /** Nodes of block devices, in a file system of the jail's own. */
  disks: '/disks',
} as const

/** What the jail has besides {@link jailPaths}: directories for device nodes. */
export const nodeDirs: readonly string[] = [inJail.disks]

/** In the private directory: the VMM makes it, and the host dials the guest's agent through it. */
export const vsockName = 'clh.sock'
/** The guest's context id; unique only within one VMM, as no packet leaves it. */
const guestCid = 3
/** What the VMM can make. */
const mostVcpus = 254
const mebibyte = 1024 * 1024
/** Memory grows by blocks of this size, in at most so many steps. */
export const memoryBlockMiB = 128

/** @throws KataError VMM_OPTION_INVALID for a value that no machine can have. */
export function vmConfig(spec: VmSpec, settings: MachineSettings): VmConfig {
  const boot = positive(Math.ceil(spec.vcpus), 'default_vcpus')
  const most = Math.min(spec.maxVcpus || settings.hostCpus, mostVcpus)
  return {
    cpus: {
      ...{ boot_vcpus: boot, max_vcpus: Math.max(boot, most), nested: false },
      ...(settings.enableCoreScheduling && { core_scheduling: 'Off' }),
    },
    memory: memory(spec, settings),
    ...(settings.reclaimGuestFreedMemory ? { balloon: { size: 0, free_page_reporting: true } } : {}),
    payload: {
      kernel: inJail.kernel,
      cmdline: kernelCommandLine(spec, [
        `agent.server_addr=vsock://-1:${agentPort}`,
        // Memory that comes later is online at once.
        'memhp_default_state=online',
      ]),
      ...(spec.initrd === undefined ? {} : { initramfs: inJail.initrd }),
    },
    rng: { src: settings.entropySource },
    // To its standard output, which is our descriptor.
    serial: { mode: 'Tty' },
    console: { mode: 'Off' },
    ...shares(spec),
    vsock: { cid: guestCid, socket: `${inJail.sockets}/${vsockName}` },
    landlock_enable: true,
    // It adds rules for what this configuration names; what is plugged in later must be allowed now. A path that is not
    // there would keep the machine from booting.
    landlock_rules: nodeDirs.map((path) => ({ path, access: 'rw' })),
  }
}

/** The name of the share's device. */
const shareId = 'share'
/** And of the volumes' share. */
const volumesId = 'volumes'

function shares({ share, volumeShare }: VmSpec): Pick<VmConfig, 'fs'> {
  const fs = [
    ...(share === undefined ? [] : [fsConfig(share)]),
    ...(volumeShare === undefined ? [] : [fsConfig(volumeShare, volumesId)]),
  ]
  return fs.length === 0 ? {} : { fs }
}

/** `share.socket` must be the path of a socket in the private directory. @throws KataError VMM_OPTION_INVALID. */
function fsConfig({ tag, socket, queueSize }: ShareAttachment, id = shareId): FsConfig {
  if (typeof socket !== 'string')
    throw new KataError('VMM_OPTION_INVALID', { reason: 'the share is a descriptor, which it cannot take' })
  const name = socket.slice(socket.lastIndexOf('/') + 1)
  return { id, tag, socket: `${inJail.sockets}/${name}`, num_queues: 1, queue_size: queueSize }
}

/** What the jail shows of the host. */
export function jailPaths(spec: VmSpec, { entropySource }: MachineSettings): JailPath[] {
  const read = (source: string, target: string): JailPath => ({ source, target, access: 'read' })
  return [
    read(spec.kernel, inJail.kernel),
    ...(spec.initrd === undefined ? [] : [read(spec.initrd, inJail.initrd)]),
    read(entropySource, entropySource),
    { source: '/dev/kvm', target: '/dev/kvm', access: 'read-write' },
    { source: spec.privateDir, target: inJail.sockets, access: 'read-write' },
  ]
}

function memory(spec: VmSpec, settings: MachineSettings): MemoryConfig {
  const bootMiB = positive(spec.memoryMiB, 'default_memory')
  const growth = (spec.maxMemoryMiB || settings.hostMemoryMiB) - bootMiB
  const blocks = Math.floor(growth / memoryBlockMiB)
  return {
    size: bootMiB * mebibyte,
    // The share's daemon maps it.
    shared: true,
    ...(blocks > 0 ? { hotplug_size: blocks * memoryBlockMiB * mebibyte } : {}),
    ...(settings.hugePageBytes === undefined
      ? {}
      : { hugepages: true, hugepage_size: settings.hugePageBytes, reserve: false }),
    ...(settings.enableMemPrealloc ? { prefault: true } : {}),
  }
}

function positive(value: number, name: string): number {
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new KataError('VMM_OPTION_INVALID', { reason: `${name} is ${value}` })
}
