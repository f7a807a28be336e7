/** Builds the lying agent and puts it in the place of the guest agent. Needs what the guest agent's build needs. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BunPlugin } from 'bun'
import { agentCompilers, agentInputs, compileAgent } from '../../../guest/agent/build.ts'
import { type BuildOptions, type Built, ensureBuilt } from '../../../src/guest-image/compile.ts'
import { writeCpio } from '../../../src/guest-image/cpio.ts'

/** Gives the agent's own `serve` to nobody but the one that lies. */
const lies: BunPlugin = {
  name: 'lies',
  setup(build) {
    build.onResolve({ filter: /\/src\/ttrpc\/ttrpc\.ts$/ }, ({ importer }) =>
      importer.endsWith('/guest/agent/src/main.ts')
        ? { path: join(import.meta.dir, 'src/serve.ts') }
        : undefined,
    )
  },
}

/** Makes sure that `outDir/lying-agent/kata-agent` is that of the present sources. */
export function buildLyingAgent({ outDir, ...options }: BuildOptions): Promise<Built> {
  const inputs = [...agentInputs, 'e2e/doubles/lying-agent']
  const make = (work: string) => compileAgent(work, options.signal, [lies])
  const recipe = { name: 'kata-agent', inputs, compilers: agentCompilers, make }
  return ensureBuilt(recipe, { ...options, outDir: join(outDir, 'lying-agent') })
}

/** An initrd with it: the kernel unpacks archive after archive, and the last `init` stays. */
export function withAgent(initrd: string, agent: string): Uint8Array {
  const init = { kind: 'file', path: 'init', mode: 0o755, data: readFileSync(agent) } as const
  return Buffer.concat([readFileSync(initrd), writeCpio([init])])
}
