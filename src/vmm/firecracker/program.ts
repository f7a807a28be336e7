/** Firecracker and its jailer: what is needed of the programs, and their arguments. */
import { basename } from 'node:path'
import type { HypervisorConfig } from '../../config/config.ts'
import { KataError } from '../../errors.ts'
import { maxSocketPath } from '../../linux/socket.ts'
import type { Identity } from '../../rootless/launch-spec.ts'
import type { ProgramNeeds } from '../program.ts'

export const firecrackerNeeds: ProgramNeeds = {
  name: 'Firecracker',
  install: 'firecracker',
  // First that tells a guest of its devices over ACPI; our kernel knows no other way to find them.
  minimum: { major: 1, minor: 8, micro: 0 },
}

/** With `reclaim_guest_freed_memory`: an older one does not know the field `free_page_reporting` and refuses it. */
export function needsFor({
  reclaimGuestFreedMemory,
}: Pick<HypervisorConfig, 'reclaimGuestFreedMemory'>): ProgramNeeds {
  return reclaimGuestFreedMemory
    ? { ...firecrackerNeeds, minimum: { major: 1, minor: 14, micro: 0 } }
    : firecrackerNeeds
}

export const jailerNeeds: Pick<ProgramNeeds, 'install'> = {
  install: 'jailer, of the same release as firecracker',
}

/** Where Firecracker finds things in its jail. */
export const inJail = {
  kernel: '/vmlinux',
  initrd: '/initrd',
  /** A file system of its own, which only root can write: what becomes the guest's disks. */
  drives: '/drives',
  /** Made by Firecracker. */
  api: '/run/api.sock',
  vsock: '/run/vsock.sock',
} as const

/** Descriptors that it may have open: some for each drive, card and processor, and its own. */
export const openFiles = 1024

/** The jail of one sandbox as the jailer lays it out: `BASE/PROGRAM/ID/root`. */
export interface JailPlace {
  readonly base: string
  readonly id: string
  /** The jail's root on the host. */
  readonly root: string
}

/** @throws KataError VMM_OPTION_INVALID for a program that the jailer refuses, SOCKET_PATH_TOO_LONG. */
export function jailPlace(execFile: string, privateDir: string, { name: id }: Identity): JailPlace {
  const program = basename(execFile)
  if (!program.includes('firecracker'))
    throw new KataError('VMM_OPTION_INVALID', {
      reason: `path is ${execFile}: the jailer only starts a program whose name has "firecracker" in it`,
    })
  const base = `${privateDir}/jail`
  const root = `${base}/${program}/${id}/root`
  const path = `${root}${inJail.vsock}`
  const length = Buffer.byteLength(path)
  if (length > maxSocketPath)
    throw new KataError('SOCKET_PATH_TOO_LONG', { path, length, limit: maxSocketPath })
  return { base, id, root }
}

export interface JailerRequest {
  readonly execFile: string
  readonly identity: Identity
  readonly place: JailPlace
  /** The network namespace to enter instead of the empty one that it is started in. */
  readonly netns?: string | undefined
  readonly debug: boolean
}

/**
 * The jailer's arguments, with those for Firecracker at the end. No `--cgroup`: the sandbox puts every VMM into its
 * cgroup, whichever it is. No limit of file size: guests' disks are files, and what Firecracker can
 * create lies on a file system that is small.
 */
export function jailerArguments({ execFile, identity, place, netns, debug }: JailerRequest): string[] {
  const { uid, gid } = identity
  return [
    ...['--id', place.id, '--exec-file', execFile, '--uid', `${uid}`, '--gid', `${gid}`],
    ...['--chroot-base-dir', place.base, '--resource-limit', `no-file=${openFiles}`, '--new-pid-ns'],
    ...(netns === undefined ? [] : ['--netns', netns]),
    ...['--', '--api-sock', inJail.api, '--level', debug ? 'Debug' : 'Warning'],
  ]
}
