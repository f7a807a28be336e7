/** JSON text with exact 64-bit integers, which JSON.stringify refuses. Pure: tested on the host. */

/** Like JSON.stringify without spaces; a bigint becomes its digits (rlimits reach 2^64 - 1). */
export function toJson(value: unknown): string {
  if (typeof value === 'bigint') return value.toString()
  if (Array.isArray(value)) return `[${value.map(toJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .map(([name, member]) => `${JSON.stringify(name)}:${toJson(member)}`)
  return `{${members.join(',')}}`
}
