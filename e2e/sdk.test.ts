/** The SDK as npm packs it, in plain Node, with real sandboxes: its examples, and what only a guest can show. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { buildPackage, packages } from '../setup/npm/packages.ts'
import { ownDirectory } from './harness/directories.ts'
import { Kata } from './harness/kata.ts'
import { slow } from './harness/time.ts'
import { vmm } from './harness/vmm.ts'

const examples = join(import.meta.dir, '../packaging/npm/sdk/examples')
const base = ownDirectory('/var/tmp/kata-ts-e2e-sdk-')
let kata: Kata
beforeAll(async () => {
  // Here it is the SDK that says which network a sandbox has.
  kata = new Kata(vmm, { network: 'default' })
  for (const one of packages) buildPackage(one, `${base}/node_modules/@kata-ts/${one.name}`, { typed: false })
  // The examples name no directories: the executable that they find has those of this test.
  const run = kata.command(['run']).slice(1 + kata.global.length + 1)
  const [executable] = kata.command([])
  writeFileSync(
    `${base}/kata-ts`,
    `#!/bin/bash
args=("$@")
# --result-file FILE COMMAND...
if [ "$3" = run ]; then args=("\${@:1:3}" ${run.join(' ')} "\${@:4}"); fi
exec ${executable} ${kata.global.join(' ')} "\${args[@]}"
`,
    { mode: 0o755 },
  )
  writeFileSync(`${base}/package.json`, '{ "type": "module" }')
  await kata.call(['run', '-d', '--name', 'shared', '--network', 'none', '--', 'sleep', '600'])
}, slow(120_000))
afterAll(async () => {
  await kata.call(['rm', '-f', 'shared'])
  await kata.close()
  rmSync(base, { recursive: true, force: true })
}, slow(60_000))

/** Runs TypeScript in plain Node, which knows no `await using` before 24. */
async function node(source: string, env: Record<string, string> = {}): Promise<string> {
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  })
  const file = `${base}/${crypto.randomUUID()}.mjs`
  writeFileSync(file, outputText)
  const child = Bun.spawn(['node', file, 'shared'], {
    cwd: base,
    env: { PATH: process.env.PATH ?? '', KATA_TS: `${base}/kata-ts`, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
  return stdout
}

test.each([
  ['files', 'numbers 6\nsorted 6\n1 2 3\n'],
  ['streams', '1000000\nexit 0\n'],
  ['cancel', 'first\ntoo late\nstill running: 0\n'],
  [
    'errors',
    'a command that exits: exit 3\na command that is not there: COMMAND_NOT_FOUND\na file that is not there: SDK_GUEST_FILE_FAILED\n' +
      'a sandbox that is not there: CONTAINER_NOT_FOUND\na size that is none: OPTION_INVALID\n',
  ],
  [
    'code-runner',
    'exit 0: 42\nexit 0: still there\nstopped: SDK_OUTPUT_TOO_LARGE\nstopped: SDK_TIMED_OUT\nexit 0: 1\n',
  ],
])(
  'example %s',
  async (name, said) => {
    const limit = { LIMIT_MS: String(slow(8_000)) }
    expect(await node(readFileSync(`${examples}/${name}.ts`, 'utf8'), limit)).toBe(said)
  },
  slow(90_000),
)

test(
  'variables, directory and user of a command; the client of shims reaches the same sandbox',
  async () => {
    const address = (await kata.inspect('shared')).address
    const script = `
      import { Sandbox } from '@kata-ts/sdk'
      import { connectTask } from '@kata-ts/shim-client'
      const box = await Sandbox.attach('shared')
      const env = { WORD: 'a b', LINES: 'x\\ny' }
      const command = ['sh', '-c', 'echo "$WORD|$LINES|$(pwd)|$(id -u)"']
      console.log((await box.exec(command, { env, cwd: '/tmp', user: '7:7' })).text)
      const task = await connectTask(${JSON.stringify(address)}, { namespace: 'default', id: 'shared' })
      console.log((await task.state()).id, (await task.connectInfo()).taskPid > 1)
      task.close()
    `
    expect(await node(script)).toBe('a b|x\ny|/tmp|7\n\nshared true\n')
  },
  slow(60_000),
)
