/** What containerd sends along with Create of what its configuration says of a runtime. */
import { writeFileSync } from 'node:fs'
import { Options } from '../../src/protocol/generated/containerd/runtime_options.ts'
import { needsConfiguration } from './configuration.ts'
import { shippedConfiguration } from './vmm.ts'

/** Names the configuration; without one it is made in `directory`, where kata-ts's defaults do not serve. */
export function runtimeOptions(directory: string, named?: string) {
  if (named === undefined && !needsConfiguration) return {}
  const configPath = named ?? `${directory}/kata-ts.toml`
  if (named === undefined) writeFileSync(configPath, shippedConfiguration())
  const value = Options.encode(Options.fromPartial({ configPath })).finish()
  return { options: { typeUrl: 'runtimeoptions.v1.Options', value } }
}
