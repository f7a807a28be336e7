/**
 * Proves that Landlock holds. The kernel does not show whether a process is restricted, neither in /proc nor to the process
 * itself, so it cannot be read back. Instead the tool that restricts a jail restricts a trial program, and executing that
 * program must then be refused. Once restricted, a process can never be freed again (landlock(7)).
 */
import { KataError } from '../../errors.ts'
import { landlockAbi } from '../../linux/processes/landlock.ts'
import { findTool } from '../../linux/processes/which.ts'
import type { LaunchSpec } from '../jail/launch-spec.ts'

/** What a launcher proved about Landlock. */
export type LandlockState = 'enforced' | 'none'

/** setpriv(1): the program was found, restricted, and could not be executed. */
const refusedExecution = 126
/** More than a program takes that ends at once, milliseconds. */
const probeMs = 5000

/** Why it cannot hold here; undefined when it does. */
export async function landlockProblem(): Promise<string | undefined> {
  const setpriv = findTool('setpriv')
  if (setpriv === undefined) return 'setpriv is not installed'
  if (landlockAbi() < 1) return 'the kernel has no Landlock, or its lsm= parameter leaves it out'
  const argv = [setpriv, '--landlock-access', 'fs:execute', '--', setpriv, '--version']
  const probe = Bun.spawn(argv, {
    cwd: '/',
    env: {},
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: probeMs,
    killSignal: 'SIGKILL',
  } as const)
  const [said, code] = await Promise.all([new Response(probe.stderr).text(), probe.exited])
  if (code === refusedExecution) return undefined
  if (code === 0) return `${setpriv} applied a rule, and the kernel does not enforce it`
  return `${setpriv} cannot apply it: ${said.trim().split('\n')[0]}`
}

/** @throws KataError JAIL_NO_LANDLOCK unless the launch accepts that. */
export function requireLandlock(
  { program, landlock = 'required' }: Pick<LaunchSpec, 'program' | 'landlock'>,
  problem: string | undefined,
): LandlockState {
  if (problem === undefined) return 'enforced'
  if (landlock === 'best-effort') return 'none'
  throw new KataError('JAIL_NO_LANDLOCK', { program, reason: problem })
}
