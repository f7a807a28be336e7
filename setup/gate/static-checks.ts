/** The checks that run no test: types, lint, floors, and that nothing is unused. Each is a program that passes or fails as a whole. */
import { writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { root } from '../paths.ts'
import { hashFiles, isFresh } from '../stamp.ts'
import { ownChild } from './supervise.ts'

interface StaticCheck {
  readonly name: string
  /** Arguments to Bun; what the program caches goes into `cache`. */
  argv(cache: string): readonly string[]
}

const bin = (path: string) => join(root, 'node_modules', path)

/** The folders that hold code. */
const folders = ['src', 'guest', 'e2e', 'lab', 'setup', 'bench']
/** What the checks read. */
const inputs = [
  ...folders,
  'packaging',
  ...[
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'biome.json',
    '.dependency-cruiser.cjs',
    'knip.jsonc',
  ],
]

const types = (name: string, project: string): StaticCheck => ({
  name: `types of ${name}`,
  argv: (cache) => [
    ...[bin('typescript/bin/tsc'), '-p', project, '--incremental'],
    ...['--tsBuildInfoFile', join(cache, `${project.replaceAll('/', '-')}.tsbuildinfo`)],
  ],
})

/** The slowest ones stand first. */
const staticChecks: readonly StaticCheck[] = [
  types('host, tests and tools', '.'),
  {
    name: 'floors',
    argv: () => [
      bin('dependency-cruiser/bin/dependency-cruiser.mjs'),
      ...['--config', '.dependency-cruiser.cjs', ...folders],
    ],
  },
  { name: 'lint and format', argv: () => [bin('@biomejs/biome/bin/biome'), 'check', '.'] },
  { name: 'nothing unused', argv: () => [bin('knip/bin/knip.js'), '--no-progress'] },
  types('the guest agent', 'guest/agent'),
  types('the Cloud Hypervisor double', 'e2e/doubles/cloud-hypervisor'),
  types('the Firecracker double', 'e2e/doubles/firecracker'),
  types('the lying agent', 'e2e/doubles/lying-agent'),
]

export interface StaticOptions {
  /** Keeps what the programs cache, and which checks passed over which files. */
  readonly cache: string
  /** Leaves out a check that has passed over the very same files. */
  readonly onlyChanged: boolean
}

/** Runs the checks side by side, as many as there are processors. Returns for each whether it passed. */
export async function runStaticChecks({ cache, onlyChanged }: StaticOptions): Promise<boolean[]> {
  const hash = hashFiles(root, inputs, { tests: true })
  const waiting = [...staticChecks.keys()]
  const passed: boolean[] = []
  const worker = async () => {
    for (let at = waiting.shift(); at !== undefined; at = waiting.shift()) {
      const check = staticChecks[at]!
      const stamp = join(cache, `${check.name.replaceAll(' ', '-')}.passed`)
      const unchanged = onlyChanged && isFresh(stamp, hash, [])
      passed[at] = unchanged || (await run(check, cache))
      if (unchanged) console.log(`--- ${check.name}\nok, unchanged`)
      else if (passed[at]) writeFileSync(stamp, hash)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  return passed
}

/** Runs a check and then prints all that it said, so that the words of two do not mix. */
async function run({ name, argv }: StaticCheck, cache: string): Promise<boolean> {
  const since = Date.now()
  const child = Bun.spawn([process.execPath, ...argv(cache)], {
    cwd: root,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  ownChild(child)
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  const end = code === 0 ? 'ok' : `FAILED: ${name}`
  console.log(`--- ${name}\n${stdout}${stderr}${end} (${((Date.now() - since) / 1000).toFixed(1)} s)`)
  return code === 0
}
