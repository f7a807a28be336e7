/** Firecracker and its jailer: whether they go together, and their arguments. */
import { realpathSync } from 'node:fs'
import { basename } from 'node:path'
import { KataError } from '../../errors.ts'
import { maxSocketPath } from '../../linux/sockets/socket.ts'
import type { Identity } from '../../rootless/jail/launch-spec.ts'
import { isOlder, type ProgramCheck, parseVersion, programVersion, versionText } from '../program.ts'
import { inJail } from './settings/jail-paths.ts'

/** A jailer only starts a Firecracker of its own release. */
export const jailerCheck: ProgramCheck = {
  name: 'jailer',
  run: async (host, { path, jailerPath }) => {
    if (!host.isExecutable(jailerPath))
      return { ok: false, detail: `${jailerPath} is not an executable program` }
    const [own, other] = await Promise.all([jailerPath, path].map((name) => host.ask([name, '--version'])))
    const [version, wanted] = [own, other].map((answer) => JSON.stringify(parseVersion(answer?.text ?? '')))
    const found = (own?.text ?? '').trim().split('\n')[0]!.slice(0, 200)
    return version === undefined || version !== wanted
      ? { ok: false, detail: `${jailerPath} is not of the same release as ${path}: ${found}` }
      : { ok: true, detail: `${found} (${jailerPath})` }
  },
}

/** Descriptors that it may have open: some for each drive, card and processor, and its own. */
export const openFiles = 1024

/** The program that a path leads to, which the jailer starts and names the jail after; the path where there is none. */
export function realProgram(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

/** The first jailer that starts programs of any name. */
const anyName = { major: 1, minor: 13, micro: 0 }

/** @throws KataError VMM_OPTION_INVALID for a program that this jailer refuses by its name. */
export async function requireName(program: string, jailer: string): Promise<void> {
  if (basename(program).includes('firecracker')) return
  const version = await programVersion(jailer)
  if (version !== undefined && !isOlder(version, anyName)) return
  const which = version === undefined ? 'of an unknown version' : versionText(version)
  throw new KataError('VMM_OPTION_INVALID', {
    reason: `path leads to ${program}, and the jailer ${jailer} (${which}) starts only programs with "firecracker" in their names, as all before 1.13`,
  })
}

/** The jail of one sandbox as the jailer lays it out: `BASE/PROGRAM/ID/root`. */
export interface JailPlace {
  readonly base: string
  readonly id: string
  /** The jail's root on the host. */
  readonly root: string
}

/** `execFile` is a real path ({@link realProgram}). @throws KataError SOCKET_PATH_TOO_LONG. */
export function jailPlace(execFile: string, privateDir: string, { name: id }: Identity): JailPlace {
  const base = `${privateDir}/jail`
  const root = `${base}/${basename(execFile)}/${id}/root`
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
    // Warnings tell what the guest does to its devices, as often as it likes.
    ...['--', '--api-sock', inJail.api, '--log-path', inJail.log, '--level', debug ? 'Debug' : 'Error'],
  ]
}
