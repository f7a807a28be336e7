/** The progress of a pull: one line that changes on a terminal, a line for each step elsewhere. */
import type { ProgressOutput } from '../../guest-image/progress.ts'
import { plainText } from '../../plain-text.ts'
import { byteSize } from './size.ts'

export interface PullProgress {
  onStep(step: string): void
  onBytes(bytes: number): void
  done(): void
  /** The error follows on a line of its own. */
  failed(): void
}

export function createPullProgress(output: ProgressOutput, image: string): PullProgress {
  const name = plainText(image)
  let [step, received] = ['', '']
  let shown = false
  const draw = () => {
    if (!output.isTTY) return
    output.write(`\r\x1b[K${`${name}: ${step}${received}`.slice(0, (output.columns || 80) - 1)}`)
    shown = true
  }
  const clear = () => {
    if (shown) output.write('\r\x1b[K')
    shown = false
  }
  return {
    onStep(next) {
      ;[step, received] = [next, '']
      if (output.isTTY) draw()
      else output.write(`${name}: ${step} ...\n`)
    },
    onBytes(bytes) {
      received = bytes > 0 ? `, ${byteSize(bytes)}` : ''
      draw()
    },
    done() {
      clear()
      output.write(`${name}: done\n`)
    },
    failed: clear,
  }
}
