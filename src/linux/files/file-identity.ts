/** Which file it is, whatever its name: two that are there at the same time never have the same identity. */
import { type BigIntStats, fstatSync, lstatSync, statSync } from 'node:fs'

/** Whole numbers alone are taken: rounded, those beyond 2^53 are the same for several files. */
export const fileIdentity = ({ dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>): string => `${dev}:${ino}`

/** That of an open file. @throws an errno error. */
export const identityOf = (fd: number): string => fileIdentity(fstatSync(fd, { bigint: true }))

/** That of what has the name now, of a link itself unless it is `followed`; undefined when there is nothing. @throws an errno error. */
export function identityAt(path: string, { followed = false } = {}): string | undefined {
  const stat = (followed ? statSync : lstatSync)(path, { bigint: true, throwIfNoEntry: false })
  return stat && fileIdentity(stat)
}
