/** Progress that people watch: a bar on a terminal, plain lines elsewhere. */

/** One step at a time: `begin`, any number of `update`, then `end`. */
export interface Progress {
  /** Starts a step; one that still runs is ended first. */
  begin(label: string): void
  /** How much of the step is done, 0 to 1. */
  update(fraction: number): void
  /** Ends the step; `note` says what came out of it. */
  end(note?: string): void
}

/** Shows nothing. */
export const silentProgress: Progress = { begin() {}, update() {}, end() {} }

export interface ProgressOutput {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

/** The renderer that fits `output` (typically process.stderr). */
export function createProgress(output: ProgressOutput, now: () => number = Date.now): Progress {
  return output.isTTY ? barProgress(output, now) : lineProgress(output, now)
}

/** A line when a step begins and one when it ends. */
function lineProgress(output: ProgressOutput, now: () => number): Progress {
  let step: { label: string; since: number } | undefined
  const progress: Progress = {
    begin(label) {
      progress.end()
      step = { label, since: now() }
      output.write(`${label} ...\n`)
    },
    update() {},
    end(note = 'done') {
      if (step === undefined) return
      output.write(`${step.label}: ${note} (${seconds(now() - step.since)})\n`)
      step = undefined
    },
  }
  return progress
}

const barWidth = 24
/** Redrawing more often than this only costs time. */
const redrawEveryMs = 50

function barProgress(output: ProgressOutput, now: () => number): Progress {
  let step: { label: string; since: number; drawn: number } | undefined
  const line = (text: string) => {
    const width = (output.columns || 80) - 1
    output.write(`\r\x1b[K${text.slice(0, width)}`)
  }
  const draw = (label: string, fraction: number) => {
    const filled = Math.round(Math.min(1, Math.max(0, fraction)) * barWidth)
    const percent = String(Math.floor(fraction * 100)).padStart(3)
    line(`[${'#'.repeat(filled)}${'.'.repeat(barWidth - filled)}] ${percent}%  ${label}`)
  }
  const progress: Progress = {
    begin(label) {
      progress.end()
      step = { label, since: now(), drawn: now() }
      draw(label, 0)
    },
    update(fraction) {
      if (step === undefined || now() - step.drawn < redrawEveryMs) return
      step.drawn = now()
      draw(step.label, fraction)
    },
    end(note = 'done') {
      if (step === undefined) return
      line(`${step.label}: ${note} (${seconds(now() - step.since)})`)
      output.write('\n')
      step = undefined
    },
  }
  return progress
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
