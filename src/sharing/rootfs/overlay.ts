/**
 * Overlays with more layers than fit into the option page of mount(2). fsconfig(2) hands each layer to the kernel separately,
 * `lowerdir+` (Linux 6.5).
 */
import { closeSync } from 'node:fs'
import { checked, cstring, libc, ptr } from '../../linux/libc.ts'

const SYS_move_mount = 429
const SYS_fsopen = 430
const SYS_fsconfig = 431
const SYS_fsmount = 432
const FSCONFIG_SET_FLAG = 0
const FSCONFIG_SET_STRING = 1
const FSCONFIG_CMD_CREATE = 6
const CLOEXEC = 1
const MOVE_MOUNT_F_EMPTY_PATH = 4
const AT_FDCWD = -100

/** Mounts an overlay on `target`. `flags` are those of mount(2). @throws SyscallError. */
export function mountOverlay(target: string, data: string, flags: number): void {
  const type = cstring('overlay')
  const fs = checked(libc.syscall(SYS_fsopen, ptr(type), CLOEXEC, 0, 0, 0, 0), 'fsopen overlay')
  try {
    for (const [key, value] of overlayOptions(data)) {
      if (key === 'lowerdir')
        for (const layer of splitLayers(value)) configure(fs, FSCONFIG_SET_STRING, 'lowerdir+', layer)
      else configure(fs, value === undefined ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING, key, value)
    }
    if ((flags & 1) !== 0) configure(fs, FSCONFIG_SET_FLAG, 'ro')
    configure(fs, FSCONFIG_CMD_CREATE)
    attach(fs, target, flags)
  } finally {
    closeSync(fs)
  }
}

function attach(fs: number, target: string, flags: number): void {
  // The attributes of fsmount(2) equal the first four flags of mount(2).
  const tree = checked(libc.syscall(SYS_fsmount, fs, CLOEXEC, flags & 15, 0, 0, 0), `fsmount for ${target}`)
  const empty = cstring('')
  const where = cstring(target)
  try {
    checked(
      libc.syscall(SYS_move_mount, tree, ptr(empty), AT_FDCWD, ptr(where), MOVE_MOUNT_F_EMPTY_PATH, 0),
      `move_mount to ${target}`,
    )
  } finally {
    closeSync(tree)
  }
}

function configure(fs: number, command: number, key?: string, value?: string): void {
  const keyBytes = key === undefined ? undefined : cstring(key)
  const valueBytes = value === undefined ? undefined : cstring(value)
  checked(
    libc.syscall(
      SYS_fsconfig,
      fs,
      command,
      keyBytes === undefined ? 0 : ptr(keyBytes),
      valueBytes === undefined ? 0 : ptr(valueBytes),
      0,
      0,
    ),
    `fsconfig ${key ?? 'create'}${value === undefined ? '' : `=${value}`}`,
  )
}

/** Splits overlay options at unescaped commas. */
export function overlayOptions(data: string): [string, string | undefined][] {
  const parts = data.match(/(?:\\.|[^,\\])+/gs) ?? []
  return parts.map((part) => {
    const equals = part.indexOf('=')
    return equals < 0 ? [part, undefined] : [part.slice(0, equals), part.slice(equals + 1)]
  })
}

/** Splits `a:b:c` at unescaped colons, and unescapes the parts. */
export function splitLayers(value = ''): string[] {
  const parts = value.match(/(?:\\.|[^:\\])+/gs) ?? []
  return parts.map((part) => part.replace(/\\(.)/gs, '$1'))
}
