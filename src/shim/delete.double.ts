/** The shim's `delete`, for tests. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The action for the container `c` of the namespace `n`, in a process of its own that first runs `prepare`. */
export function runDelete({ runDir, bundle }: { runDir: string; bundle: string }, prepare = '') {
  const script = join(bundle, 'shim.ts')
  const source = (name: string) => JSON.stringify(join(import.meta.dir, name))
  writeFileSync(
    script,
    `import { deleteShim } from ${source('delete.ts')}
    import { parseShimFlags } from ${source('flags.ts')}
    import { tearDownShim } from ${source('teardown.ts')}
    import { writeShimProcess } from ${source('../bundle/shim-process.ts')}
    import { processRef } from ${source('../linux/processes/proc.ts')}
    const flags = parseShimFlags(process.argv.slice(2))
    if (flags.action === 'teardown') process.exit(await tearDownShim(flags))
    ${prepare}
    process.exit(await deleteShim(flags, ${JSON.stringify(bundle)}))`,
  )
  const flags = ['-namespace', 'n', '-id', 'c', '-bundle', bundle, '-run-dir', runDir, 'delete']
  const { exitCode, stderr } = Bun.spawnSync([process.execPath, script, ...flags], { stdin: 'ignore' })
  return { exitCode, said: stderr.toString() }
}
