/** The program of a VMM: is it there, and is it new enough. */
import { accessSync, constants } from 'node:fs'
import type { HypervisorConfig } from '../config/config.ts'
import type { DriverConfiguration, ProgramVersion } from '../config/driver-configuration.ts'
import { KataError } from '../errors.ts'
import { askProgram } from '../linux/processes/ask-program.ts'

export type { ProgramVersion } from '../config/driver-configuration.ts'

/** What a driver needs of its program. */
export interface ProgramNeeds {
  /** As people call it. */
  readonly name: string
  /** What a person installs. */
  readonly install: string
  readonly minimum: ProgramVersion
}

/** What a machine of this configuration needs. */
export function programNeeds(
  { name, program }: Pick<DriverConfiguration, 'name' | 'program'>,
  hypervisor: HypervisorConfig,
): ProgramNeeds {
  return { name, install: program.install, minimum: program.minimum(hypervisor) }
}

/** The parts of a host that a {@link ProgramCheck} looks at. */
export interface ProgramHost {
  isExecutable(path: string): boolean
  /** Runs a program as a user without rights; `text` is stdout and stderr. */
  ask(argv: readonly string[]): Promise<{ readonly code: number; readonly text: string }>
}

/** What `kata-ts check` looks at in a driver's programs, besides the version of the VMM. */
export interface ProgramCheck {
  /** Stable, for scripts. */
  readonly name: string
  run(host: ProgramHost, hypervisor: HypervisorConfig): Promise<ProgramFinding>
}

export interface ProgramFinding {
  /** When it is not, the driver's `program.remedy` is the remedy. */
  readonly ok: boolean
  readonly detail: string
}

/** @throws KataError VMM_MISSING. */
export function checkProgram(path: string, { install }: Pick<ProgramNeeds, 'install'>): void {
  try {
    accessSync(path, constants.X_OK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const reason = code === 'ENOENT' ? 'does not exist' : `cannot be executed (${code})`
    throw new KataError('VMM_MISSING', { path, reason, install })
  }
}

/** @throws KataError VMM_TOO_OLD. */
export function checkVersion(path: string, version: ProgramVersion, needs: ProgramNeeds): void {
  const { name, install, minimum } = needs
  if (isOlder(version, minimum))
    throw new KataError('VMM_TOO_OLD', {
      ...{ path, name, install },
      ...{ version: versionText(version), minimum: versionText(minimum) },
    })
}

/** By major and minor number. */
export function isOlder(version: ProgramVersion, than: ProgramVersion): boolean {
  const rank = ({ major, minor }: ProgramVersion) => major * 1000 + minor
  return rank(version) < rank(than)
}

/** Asks the program itself; undefined when it does not say. Starts take the version from the VMM's greeting instead. */
export async function programVersion(path: string): Promise<ProgramVersion | undefined> {
  return parseVersion((await askProgram([path, '--version'])).stdout)
}

/** A version that a VMM tells of itself, with or without a v; 0.0.0 when it is none. */
export function bareVersion(text: string): ProgramVersion {
  return parseVersion(`v${text.replace(/^v/, '')}`) ?? { major: 0, minor: 0, micro: 0 }
}

/** The first version in a text, `version 10.0.3` or `v48.0`. */
export function parseVersion(text: string): ProgramVersion | undefined {
  const match = /\bv(?:ersion )?(\d+)\.(\d+)(?:\.(\d+))?/.exec(text)
  if (match === null) return undefined
  const [major = 0, minor = 0, micro = 0] = match.slice(1).map((number) => Number(number ?? 0))
  return { major, minor, micro }
}

export const versionText = ({ major, minor, micro }: ProgramVersion) => `${major}.${minor}.${micro}`
