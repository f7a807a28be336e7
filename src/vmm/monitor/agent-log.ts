/**
 * Kata's agent logs to the console of its guest, one JSON object a line (slog-json): hundreds of them say that all is well,
 * and would be all that a report of a guest's end quotes.
 */

/** Levels that are no reason of anything. */
const quiet = new Set(['TRCE', 'DEBG', 'INFO'])
/** The rest of a line whose beginning was cut off. */
const cutOff = /^[^{].*"(?:msg|level|ts|subsystem|name)":"[^"]*".*\}$/

/** The text without what the agent logs of its daily work; of a warning or an error the words alone. */
export function withoutAgentLog(text: string): string {
  return text
    .split('\n')
    .flatMap((line) => {
      const entry = parse(line.trim())
      if (entry === undefined) return cutOff.test(line.trim()) ? [] : [line]
      return quiet.has(String(entry.level)) ? [] : [wordsOf(entry)]
    })
    .join('\n')
}

function wordsOf({ msg, error }: Record<string, unknown>): string {
  return `the agent: ${msg}${typeof error === 'string' ? `: ${error}` : ''}`
}

/** Undefined for what is no entry of such a log. */
function parse(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{') || !line.includes('"level"')) return undefined
  try {
    const entry = JSON.parse(line) as Record<string, unknown>
    return typeof entry.msg === 'string' ? entry : undefined
  } catch {
    return undefined
  }
}
