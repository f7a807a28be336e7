/** Runs a script with the agent's own modules and its real system calls, in QuickJS on the host. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compileAgent } from '../../build.ts'

/** Whether the host has the compilers. */
export const hasQuickjs = ['gcc', 'qjsc'].every((program) => Bun.which(program) !== null)

/** Where the agent's modules are, for a script's imports. */
export const sources = join(import.meta.dir, '..')

/** Its imports, and what an async function does with them. `out`, `err` and `exit` are those of `std`. */
interface Script {
  readonly imports: string
  readonly body: string
  /** What it is started with. */
  readonly args?: readonly string[]
}

/**
 * What the script writes on standard output. `replaced` is C with functions `__wrap_NAME` that take the place of those of the C library.
 *
 * @throws Error with its error output, also when it takes longer than 10 s.
 */
export async function inQuickjs({ imports, body, args = [] }: Script, replaced = ''): Promise<string> {
  const work = mkdtempSync(join(tmpdir(), 'in-quickjs-'))
  try {
    const entry = join(work, 'entry.ts')
    const first = `import ${JSON.stringify(join(sources, 'system/polyfills.ts'))}`
    // QuickJS waits for a descriptor between any two jobs of a module that awaits something itself.
    const last = 'main().catch((error) => { err.puts(String(error)); exit(1) })'
    const script = `import { err, exit, out } from 'std'\n${imports}\nasync function main() {\n${body}\nexit(0)\n}`
    writeFileSync(entry, [first, script, last].join('\n'))
    writeFileSync(join(work, 'replaced.c'), replaced)
    const names = [...replaced.matchAll(/__wrap_(\w+)\(/g)].map(([, name]) => `-Wl,--wrap=${name}`)
    await compileAgent(work, undefined, [], { entry, link: ['replaced.c', ...names] })
    const child = Bun.spawn([join(work, 'kata-agent'), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 10_000,
    })
    const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
    if (code !== 0) throw new Error(`the script ended with ${code}: ${stdout}${stderr}`)
    return stdout
  } finally {
    rmSync(work, { recursive: true })
  }
}
