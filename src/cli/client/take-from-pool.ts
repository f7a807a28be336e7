/** A container whose machine waits already. */
import { existsSync } from 'node:fs'
import { podOf } from '../../oci/annotations.ts'
import { readSpecIfThere } from '../../oci/bundle.ts'
import { Options } from '../../protocol/generated/containerd/runtime_options.ts'
import type { Any } from '../../protocol/generated/google/protobuf/any.ts'
import { poolName, shimSocketPath } from '../../sandbox/records/paths.ts'
import { build } from '../../version.ts'
import type { Settings } from '../settings.ts'
import { shimEnvironment } from './shim-environment.ts'
import type { ShimTarget } from './shim-process.ts'

/**
 * The address of a shim that waited with a machine, and serves the container by now; undefined where none takes it, and without a pool. The shim's
 * `start` asks them, too, and is a process more: that is a tenth of such a start.
 *
 * @throws those of {@link takeWaiting}.
 */
export async function takeFromPool(
  { env, runDir, debug }: Pick<Settings, 'env' | 'runDir' | 'debug'>,
  { namespace, id, bundle }: ShimTarget,
  options: Pick<Any, 'value'> | undefined,
): Promise<string | undefined> {
  if (!existsSync(`${runDir}/${poolName}`)) return undefined
  const spec = readSpecIfThere(bundle)
  // Its annotations may make it a container of a pod that has a shim.
  if (spec === undefined || (podOf(spec) ?? id) !== id) return undefined
  const { takeWaiting } = await import('../../sandbox/pool/take-waiting.ts')
  const configPath = options === undefined ? '' : Options.decode(options.value).configPath
  const itsEnv = { ...shimEnvironment(env), TTRPC_ADDRESS: env.TTRPC_ADDRESS ?? '' }
  const pod = { build, namespace, id, address: '', publishBinary: '', bundle, debug, configPath, env: itsEnv }
  const isTaken = await takeWaiting(runDir, pod, { isAskedAgain: true })
  return isTaken ? `unix://${shimSocketPath(runDir, namespace, id)}` : undefined
}
