/** Options of a containerd mount for mount(2): known words become flags, other words become data. */
import { KataError } from '../errors.ts'

export interface ParsedOptions {
  /** Flags of mount(2), without bind and rec. */
  readonly flags: number
  /** Propagation change (MS_PRIVATE and so on, with MS_REC); 0 for none. It needs a call of its own. */
  readonly propagation: number
  readonly bind: boolean
  readonly recursive: boolean
  /** File-system-specific options, joined by commas. */
  readonly data: string
}

// Values from <sys/mount.h>; the words are those of mount(8) that containerd's and runc's parsers know.
const MS_REC = 1 << 14
const flagWords = new Map<string, { set?: number; clear?: number }>([
  ['defaults', {}],
  ['ro', { set: 1 }],
  ['rw', { clear: 1 }],
  ['nosuid', { set: 2 }],
  ['suid', { clear: 2 }],
  ['nodev', { set: 4 }],
  ['dev', { clear: 4 }],
  ['noexec', { set: 8 }],
  ['exec', { clear: 8 }],
  ['sync', { set: 16 }],
  ['async', { clear: 16 }],
  ['dirsync', { set: 128 }],
  ['nosymfollow', { set: 256 }],
  ['noatime', { set: 1024 }],
  ['atime', { clear: 1024 }],
  ['nodiratime', { set: 2048 }],
  ['diratime', { clear: 2048 }],
  ['relatime', { set: 1 << 21 }],
  ['norelatime', { clear: 1 << 21 }],
  ['strictatime', { set: 1 << 24 }],
  ['nostrictatime', { clear: 1 << 24 }],
  ['lazytime', { set: 1 << 25 }],
])
const propagationWords = new Map<string, number>([
  ['unbindable', 1 << 17],
  ['private', 1 << 18],
  ['slave', 1 << 19],
  ['shared', 1 << 20],
])
/** mount(8) handles these in user space. The kernel would ignore them or take them for file-system options. */
const refusedWords = new Set(['loop', 'remount', 'move'])

/** @throws KataError SHARE_MOUNT_INVALID. */
export function parseMountOptions(options: readonly string[]): ParsedOptions {
  const parsed = { flags: 0, propagation: 0, bind: false, recursive: false }
  const data: string[] = []
  for (const option of options) {
    const word = flagWords.get(option)
    const propagation = propagationWords.get(option.replace(/^r/, '')) ?? propagationWords.get(option)
    if (refusedWords.has(option) || option.includes('\0'))
      throw new KataError('SHARE_MOUNT_INVALID', { what: `option ${option}`, reason: 'it is not supported' })
    if (word !== undefined) parsed.flags = (parsed.flags & ~(word.clear ?? 0)) | (word.set ?? 0)
    else if (option === 'bind' || option === 'rbind') {
      parsed.bind = true
      parsed.recursive ||= option === 'rbind'
    } else if (propagation !== undefined) parsed.propagation = propagation | (option[0] === 'r' ? MS_REC : 0)
    else if (option !== '') data.push(option)
  }
  return { ...parsed, data: data.join(',') }
}
