/** The OCI process of an exec: the container's own process with the user's changes. */
import { allCapabilities } from '../../oci/defaults/capabilities.ts'
import type { SpecUser } from '../../oci/defaults/default-spec.ts'
import type { OciCapabilities, OciProcess } from '../../oci/spec.ts'
import { type EnvWishes, mergeEnv } from '../parse/env.ts'
import { absoluteCwd } from './absolute-cwd.ts'

export interface ProcessWishes {
  readonly args: readonly string[]
  readonly terminal: boolean
  /** The size of the caller's terminal. */
  readonly size?: { readonly rows: number; readonly columns: number } | undefined
  readonly env: EnvWishes
  readonly user?: SpecUser | undefined
  /** Gives the process all capabilities of the guest. */
  readonly privileged?: boolean
  readonly workdir?: string | undefined
}

/** `base` is the process in the container's config.json. Fields without a wish stay as they are there. Pure. */
export function processSpec(
  base: OciProcess,
  wishes: ProcessWishes,
  callerEnv: Readonly<Record<string, string | undefined>>,
): OciProcess {
  const { terminal, size, user = base.user, privileged = false } = wishes
  // Without a directory, or with an empty one, the container's is used, as in docker.
  const workdir = wishes.workdir || base.cwd
  const { env: baseEnv = [] } = base
  const terminalEnv = terminal && !baseEnv.some((line) => line.startsWith('TERM=')) ? ['TERM=xterm'] : []
  const { consoleSize: _baseSize, ...kept } = base
  return {
    ...kept,
    terminal,
    ...consoleSize(terminal, size),
    args: [...wishes.args],
    env: mergeEnv([...baseEnv, ...terminalEnv], wishes.env, callerEnv),
    ...(wishes.user === undefined && !privileged
      ? {}
      : { user, capabilities: capabilitiesOf(base, user, privileged) }),
    ...(workdir === undefined ? {} : { cwd: absoluteCwd(workdir) }),
  }
}

/** The terminal's size as a field of an OCI process. Empty without a terminal. */
export function consoleSize(terminal: boolean, size: ProcessWishes['size']) {
  return terminal && size !== undefined ? { consoleSize: { height: size.rows, width: size.columns } } : {}
}

/** Capabilities as for the container itself: root has the container's, other users have none. */
function capabilitiesOf(base: OciProcess, user: OciProcess['user'], privileged: boolean): OciCapabilities {
  const bounding = privileged ? [...allCapabilities] : (base.capabilities?.bounding ?? [])
  const held = (user?.uid ?? 0) === 0 ? bounding : []
  return { bounding, effective: held, permitted: held }
}
