/**
 * KVM or TCG: decided by what this host really can. That KVM works is found out once a boot, kernel and VMM program. That it does not
 * is either seen at a glance, at every start, or was a trial's failure, which holds for that one start: a host that was busy
 * must not lose its security boundary until it reboots.
 */
import type { Accelerator } from '../../config/config.ts'
import { describeError, KataError } from '../../errors.ts'
import { withBestEffortLock } from '../../linux/files/directory-lock.ts'
import type { Logger } from '../../log.ts'
import { type KvmAccessRequest, kvmObstacle } from './kvm-obstacle.ts'
import { lastTrial, type ProbeOutcome, recordTrial, type Trial, type TrialSubject } from './kvm-trial.ts'

/** What is known without booting anything. */
export interface AcceleratorFacts extends KvmAccessRequest {
  readonly configured: Accelerator
  /** The guest kernel and the VMM program: a trial's success holds for exactly these files. */
  readonly kernel: string
  readonly program: string
  /** `/run/kata-ts`: a trial's outcome is written down here. */
  readonly runDir: string
}

export interface AcceleratorRequest extends AcceleratorFacts {
  /** Boots a guest with KVM; called under `auto` only, and only when nothing else decides. */
  readonly probe: () => Promise<ProbeOutcome>
  /** How long a trial may take, milliseconds: that of another sandbox is waited for, too. */
  readonly probeMs: number
  /** See {@link Trial.variant}. */
  readonly variant: string
  readonly log: Logger
}

export interface AcceleratorChoice {
  readonly accelerator: 'kvm' | 'tcg'
  readonly reason: string
}

/** What the next start would use, as far as that is known. */
export interface AcceleratorForecast {
  /** `unknown`: only a trial can tell. */
  readonly accelerator: 'kvm' | 'tcg' | 'unknown'
  readonly reason: string
  /** The last trial, if it failed. */
  readonly failure?: Trial
}

/** What another sandbox may need around its trial before it is no longer waited for, milliseconds. */
const turnMarginMs = 15_000
const configuredReason = 'configured'

/**
 * `tcg` and `kvm` are taken as asked for; `auto` is KVM if a guest really boots with it.
 *
 * @throws KataError KVM_UNUSABLE under `kvm` when a glance tells that it cannot work.
 */
export async function chooseAccelerator(request: AcceleratorRequest): Promise<AcceleratorChoice> {
  const { configured, runDir, probeMs, variant, log } = request
  if (configured === 'kvm') {
    const obstacle = kvmObstacle(request)
    if (obstacle?.certain) throw new KataError('KVM_UNUSABLE', { reason: obstacle.reason })
  }
  const { accelerator, reason } = forecastAccelerator(request)
  if (accelerator !== 'unknown') return { accelerator, reason }
  const asked = Date.now()
  const trial = await withBestEffortLock(runDir, probeMs + turnMarginMs, async () => {
    const subject = subjectOf(request)
    // Another sandbox that started at the same time may just have tried the same.
    const known = lastTrial(subject)
    if (known?.works || (known !== undefined && known.at > asked && known.variant === variant)) return known
    const made = { ...(await attempt(request.probe)), at: Date.now(), variant }
    recordTrial(subject, made, log)
    return made
  })
  return { accelerator: trial.works ? 'kvm' : 'tcg', reason: trial.reason }
}

/** What a start would use, without booting anything: for `check` and `env`, and for starts that need no trial. */
export function forecastAccelerator(facts: AcceleratorFacts): AcceleratorForecast {
  const { configured } = facts
  if (configured !== 'auto') return { accelerator: configured, reason: configuredReason }
  const obstacle = kvmObstacle(facts)
  if (obstacle !== undefined) return { accelerator: 'tcg', reason: obstacle.reason }
  const trial = lastTrial(subjectOf(facts))
  if (trial === undefined)
    return { accelerator: 'unknown', reason: 'no guest was booted with KVM yet: the next start tries' }
  if (trial.works) return { accelerator: 'kvm', reason: trial.reason }
  const reason = `the last trial failed at ${new Date(trial.at).toISOString()} (${trial.reason}): the next start tries again`
  return { accelerator: 'unknown', reason, failure: trial }
}

function subjectOf({ kernel, program, runDir, kvmDevice = '/dev/kvm' }: AcceleratorFacts): TrialSubject {
  return { kernel, program, runDir, kvmDevice }
}

/** A trial that could not even be made counts as a no, with its reason. */
async function attempt(probe: () => Promise<ProbeOutcome>): Promise<ProbeOutcome> {
  try {
    return await probe()
  } catch (error) {
    return { works: false, reason: describeError(error) }
  }
}
