/** Steps of a start as bars below each other on one scale of time. */

export interface Step {
  readonly name: string
  /** Milliseconds from the beginning. */
  readonly at: number
  readonly ms: number
}

const numberWidth = 8

/** One line per step, in the order in which they began: name, bar, duration. Every line is at most `width` wide. */
export function timeline(steps: readonly Step[], width: number): string[] {
  const nameWidth = Math.max(...steps.map(({ name }) => name.length))
  const room = Math.max(10, width - nameWidth - numberWidth - 5)
  const end = Math.max(...steps.map(({ at, ms }) => at + ms), 1)
  const column = (ms: number) => Math.round((ms / end) * room)
  return [...steps]
    .sort((a, b) => a.at - b.at)
    .map(({ name, at, ms }) => {
      const from = Math.min(room - 1, column(at))
      const length = Math.max(1, column(at + ms) - from)
      const bar = `${' '.repeat(from)}${'█'.repeat(length)}`.padEnd(room)
      return `${name.padEnd(nameWidth)} |${bar}| ${`${ms.toFixed(0)} ms`.padStart(numberWidth)}`
    })
}
