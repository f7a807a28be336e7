/**
 * Hooks of the OCI specification (config.md, "POSIX-platform Hooks") are programs of the host that look at a container's
 * process and namespaces there. The host has neither of a container in a virtual machine. So only those are run that make a
 * network: Docker's and nerdctl's way to fill the network namespace of a container.
 */
import type { Logger } from '../log.ts'
import type { OciHook, OciHooks, OciSpec } from './spec.ts'

export interface NetworkHooks {
  /** `prestart` and `createRuntime`, in this order. */
  readonly create: readonly OciHook[]
  readonly poststop: readonly OciHook[]
}

/** The stages whose hooks are run; others are about the inside of a container. */
const networkStages: ReadonlySet<string> = new Set<keyof OciHooks>(['prestart', 'createRuntime', 'poststop'])

export function networkHooks({ hooks = {} }: Pick<OciSpec, 'hooks'>): NetworkHooks {
  const { prestart = [], createRuntime = [], poststop = [] } = hooks
  return { create: [...prestart, ...createRuntime], poststop }
}

/**
 * Names the hooks that are not run, so that nobody waits for what one of them would have done. `madeNetwork`: those that make
 * a network were run.
 */
export function warnOfHooks(
  { hooks = {} }: Pick<OciSpec, 'hooks'>,
  container: string,
  log: Logger,
  madeNetwork = false,
): void {
  const paths = Object.entries<readonly OciHook[]>({ ...hooks })
    .filter(([stage]) => !madeNetwork || !networkStages.has(stage))
    .flatMap(([, stage]) => stage.map(({ path }) => path))
  if (paths.length > 0)
    log.warn('hooks of the host are not run for a container in a machine', { container, paths })
}
