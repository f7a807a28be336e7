/** Translates mount options, words as in fstab(5), for mount(2). Pure: tested on the host. */

/** From <sys/mount.h>. */
const flagWords: Readonly<Record<string, number>> = {
  ro: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  sync: 16,
  dirsync: 128,
  nosymfollow: 256,
  noatime: 1024,
  nodiratime: 2048,
  silent: 1 << 15,
  relatime: 1 << 21,
  iversion: 1 << 23,
  strictatime: 1 << 24,
  lazytime: 1 << 25,
}

/** Words for the kernel's defaults, for which it has no words of its own. */
const defaults =
  /^(|defaults|rw|suid|dev|exec|async|symfollow|loud|atime|diratime|noiversion|nostrictatime|norelatime|nolazytime)$/

/** Words of fstab(5) about mounting at boot or by other users. mount(8) does not pass them to the kernel, either. */
const fstabWords = /^(_netdev|nofail|(no)?auto|(no)?users?|owner|group|comment=.*|x-.*)$/i

/** Words for the agent, not for the file system. */
const ours = ['fsgid', 'subpath']

export interface MountOptions {
  /** MS_* flags. */
  readonly flags: number
  /** Options for the file system, joined by commas. */
  readonly data: string
  /** The value of every `name=value` word, by name. */
  readonly settings: ReadonlyMap<string, string>
}

export function splitMountOptions(options: readonly string[]): MountOptions {
  const words = options.filter((word) => !defaults.test(word) && !fstabWords.test(word))
  const settings = new Map(
    words
      .filter((word) => word.includes('='))
      .map((word) => {
        const equals = word.indexOf('=')
        return [word.slice(0, equals), word.slice(equals + 1)] as const
      }),
  )
  return {
    flags: words.reduce((flags, word) => flags | (flagWords[word] ?? 0), 0),
    data: words.filter((word) => !(word in flagWords) && !ours.includes(word.split('=')[0]!)).join(','),
    settings,
  }
}
