/** What tells a file from another that has come to have its name, or from itself with other bytes. */
import type { BigIntStats } from 'node:fs'

export interface FileFacts {
  readonly bytes: number
  /** When it was changed last, nanoseconds since 1970. No later write, and no copy, has that time. */
  readonly changedAt: string
}

export const fileFacts = ({ size, ctimeNs }: Pick<BigIntStats, 'size' | 'ctimeNs'>): FileFacts => ({
  bytes: Number(size),
  changedAt: `${ctimeNs}`,
})

/** Why it is not the file of these facts; undefined when it is. */
export function whyAnother(
  stat: Pick<BigIntStats, 'size' | 'ctimeNs'>,
  recorded: FileFacts,
): string | undefined {
  const { bytes, changedAt } = fileFacts(stat)
  if (bytes !== recorded.bytes) return `it has ${bytes} bytes, recorded are ${recorded.bytes}`
  return changedAt === recorded.changedAt ? undefined : 'it was changed since it was saved'
}
