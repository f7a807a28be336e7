/** The version of the Debian package, and the time that everything in it has. */
import type { Commit } from '../commit.ts'

/**
 * The version of a release is that of package.json. A build between releases sorts before the release that it leads to
 * (`~`), and after every build of an older commit.
 */
export function debianVersion(version: string, { name, time }: Commit, isRelease: boolean): string {
  if (isRelease) return version
  const [hash = '', dirty] = name.split('-')
  const stamp = time === undefined ? '0' : new Date(time * 1000).toISOString().replace(/\D/g, '').slice(0, 14)
  return `${version}~git${stamp}.${hash}${dirty === undefined ? '' : '.dirty'}`
}

/** Whether the newest section of the change log is this version, and not "Unreleased". */
export const isReleased = (changeLog: string, version: string): boolean =>
  new RegExp(`^## ${version.replaceAll('.', '\\.')}\\b`).test(/^## .*$/m.exec(changeLog)?.[0] ?? '')

/** Seconds since 1970: what the builder asks for (reproducible-builds.org), else the commit's time, else none. */
export function sourceDateEpoch(env: Readonly<Record<string, string | undefined>>, { time }: Commit): number {
  const asked = env.SOURCE_DATE_EPOCH
  if (asked === undefined) return time ?? 0
  if (!/^\d{1,12}$/.test(asked))
    throw new Error(`SOURCE_DATE_EPOCH is ${JSON.stringify(asked)}, not a number of seconds`)
  return Number(asked)
}
