/** What the last trial of KVM on this host came to: a success holds until the next boot, a failure is only told about. */
import { readFileSync, statSync } from 'node:fs'
import { describeError } from '../../errors.ts'
import { replaceFile } from '../../linux/files/replace-file.ts'
import { bootId } from '../../linux/processes/proc.ts'
import type { Logger } from '../../log.ts'

/** What came of booting a guest with KVM. */
export interface ProbeOutcome {
  readonly works: boolean
  /** Why not, or what proved it. */
  readonly reason: string
}

export interface Trial extends ProbeOutcome {
  /** When it ended, milliseconds since 1970. */
  readonly at: number
  /** What else of the machine a pod may have asked for: a failure tells something of the same machine only. */
  readonly variant: string
}

/** What a trial holds for: exactly these files, and this boot. */
export interface TrialSubject {
  readonly kernel: string
  readonly program: string
  readonly kvmDevice: string
  /** `/run/kata-ts`, where the trial is written down. */
  readonly runDir: string
}

const pathOf = ({ runDir }: TrialSubject) => `${runDir}/accelerator.json`

/** The last trial of this subject, if there was one: whatever is wrong with the file only costs another trial. */
export function lastTrial(subject: TrialSubject): Trial | undefined {
  try {
    const { key, works, reason, at, variant } = JSON.parse(readFileSync(pathOf(subject), 'utf8'))
    if (key !== keyOf(subject) || typeof works !== 'boolean') return undefined
    return { works, reason: String(reason), at: Number(at), variant: String(variant) }
  } catch {
    return undefined
  }
}

export function recordTrial(subject: TrialSubject, trial: Trial, log: Logger): void {
  const path = pathOf(subject)
  try {
    replaceFile(path, `${JSON.stringify({ key: keyOf(subject), ...trial })}\n`)
  } catch (error) {
    log.warn('what was found out about KVM cannot be written down', { path, error: describeError(error) })
  }
}

/** Another one after a reboot, or when one of the files or the device node has changed. */
function keyOf({ kernel, program, kvmDevice }: TrialSubject): string {
  return [bootId(), ...[kernel, program, kvmDevice].map(fileIdentity)].join(' ')
}

function fileIdentity(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false })
  // The node of a device is touched by udev now and then; who may open it is what counts.
  if (stat?.isCharacterDevice()) return `${path}:${stat.rdev}:${stat.gid}:${stat.mode}`
  return stat === undefined ? `${path}:none` : `${path}:${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeMs}`
}
