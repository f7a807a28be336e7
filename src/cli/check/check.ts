/** A host check: named, independent of the others, and always with a remedy when it is not ok. */
import type { Config } from '../../config/config.ts'
import type { HostProbe } from './host-probe.ts'

export type CheckStatus = 'ok' | 'warning' | 'failed'

export interface CheckResult {
  /** Stable, for scripts: `kvm`, `vmm`, `uid-range`. */
  readonly name: string
  readonly status: CheckStatus
  /** The finding. */
  readonly detail: string
  /** The remedy; empty when the status is ok. */
  readonly remedy: string
}

export type Outcome = Omit<CheckResult, 'name'>

export interface CheckContext {
  readonly host: HostProbe
  /** The configuration. A check of something that it does not use is ok and says so. */
  readonly config: Config
}

export interface Check {
  readonly name: string
  run(context: CheckContext): Outcome | Promise<Outcome>
}

export const ok = (detail: string): Outcome => ({ status: 'ok', detail, remedy: '' })
export const warning = (detail: string, remedy: string): Outcome => ({ status: 'warning', detail, remedy })
export const failed = (detail: string, remedy: string): Outcome => ({ status: 'failed', detail, remedy })

/** A program's output, for a message. */
export const firstLine = (text: string): string => text.trim().split('\n')[0]!.slice(0, 200)
