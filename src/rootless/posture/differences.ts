/** Describes the differences of a posture, for an error. */
import type { PostureRow } from './posture-rows.ts'

/** Most differences in one error. `kata-ts audit` shows all differences of a running process. */
const mostTold = 20
/** Most characters of one value: a mount table that differs is shown with all of its mounts. */
const longestValue = 1000

/** Joins threads that differ in the same way into one difference. A machine with many processors has hundreds of threads. */
export function differencesText(differences: readonly PostureRow[]): string {
  const merged = new Map<string, { readonly row: PostureRow; threads: number }>()
  for (const row of differences) {
    const key = JSON.stringify([row.field, row.expected, row.actual])
    const known = merged.get(key)
    if (known === undefined) merged.set(key, { row, threads: 1 })
    else known.threads++
  }
  const all = [...merged.values()].map(sentence)
  const rest = all.length - mostTold
  return [...all.slice(0, mostTold), ...(rest > 0 ? [`and ${rest} more`] : [])].join('; ')
}

function sentence({ row, threads }: { readonly row: PostureRow; readonly threads: number }): string {
  const { field, tid, expected, actual } = row
  const of = tid === undefined ? '' : threads === 1 ? ` of thread ${tid}` : ` of ${threads} threads`
  return `${field}${of} is "${cut(actual)}", expected "${cut(expected)}"`
}

const cut = (value: string): string =>
  value.length <= longestValue ? value : `${value.slice(0, longestValue)}...`
