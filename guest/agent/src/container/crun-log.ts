/** crun's log, one JSON object a line. Pure: tested on the host. */

/** The last message in it, which for a failed command says why; undefined when there is none. */
export function lastMessage(log: string): string | undefined {
  const lines = log.split('\n').filter((line) => line !== '')
  const last = lines.at(-1)
  if (last === undefined) return undefined
  try {
    const { msg } = JSON.parse(last) as { msg?: unknown }
    return typeof msg === 'string' ? msg : last
  } catch {
    return last
  }
}
