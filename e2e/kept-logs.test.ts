/** What the runner keeps of a test that fails. The run that is looked at is this file again, with a fate that it is told. */
import { describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { logsDir } from '../setup/gate/e2e-run.ts'
import { root } from '../setup/paths.ts'
import { keepVariable } from './harness/directories.ts'
import { Kata } from './harness/kata.ts'
import { slow } from './harness/time.ts'

const fateVariable = 'KATA_TS_E2E_FATE'
const fate = process.env[fateVariable]
const place = join(logsDir, 'kept-logs')

async function run(
  fate: string,
  env: Record<string, string> = {},
): Promise<{ code: number; stdout: string }> {
  const child = Bun.spawn([process.execPath, 'setup/gate/test.ts', 'e2e', 'e2e/kept-logs.test'], {
    cwd: root,
    env: { ...process.env, ...env, [fateVariable]: fate },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [stdout, code] = await Promise.all([child.stdout.text(), child.exited])
  return { code, stdout }
}

const linkDirectories = () => readdirSync('/run').filter((name) => name.startsWith('kata-ts-e2e-logs-'))

async function meetFate(): Promise<void> {
  const kata = new Kata()
  const started = await kata.call(['run', '-d', '--name', 'box', '--', 'sleep', '3600'])
  await kata.close()
  expect(started).toMatchObject({ code: 0 })
  expect(fate).toBe('passes')
}

if (fate !== undefined) test('meets its fate', meetFate, slow(120_000))
else
  describe('the logs of a test', () => {
    test(
      'that fails are kept, and the runner says where',
      async () => {
        const before = linkDirectories()
        const { code, stdout } = await run('fails')
        expect(code).toBe(1)
        expect(stdout).toMatch(/^failed: e2e\/kept-logs\.test\.ts > meets its fate$/m)
        expect(stdout).toEndWith('0 passed, 1 failed, 0 skipped\n')
        const logs = readdirSync(place, { recursive: true, encoding: 'utf8' })
        const files = logs.filter((path) => path.endsWith('.log')).length
        expect(stdout).toContain(`logs of kept-logs: build/e2e-logs/kept-logs (${files} files)\n`)
        for (const name of ['console.log', 'shim.log'])
          expect(
            logs.filter((path) => path.endsWith(`box/${name}`) || path.endsWith(`bundle/${name}`)),
          ).toHaveLength(1)
        const [console] = logs.filter((path) => path.endsWith('console.log'))
        expect(readFileSync(join(place, console!), 'utf8')).not.toBe('')
        expect(linkDirectories()).toEqual(before)
      },
      slow(180_000),
    )

    test(
      'that passes are gone, and so are those of its last failure',
      async () => {
        const before = linkDirectories()
        const { code, stdout } = await run('passes')
        expect([code, stdout.includes('logs of')]).toEqual([0, false])
        expect(existsSync(place)).toBe(false)
        expect(linkDirectories()).toEqual(before)
      },
      slow(180_000),
    )

    test(
      'a sandbox is left running where that is asked for, and the run says how to look at it',
      async () => {
        const { code, stdout } = await run('passes', { [keepVariable]: '1' })
        expect(code).toBe(0)
        const [, program, runDir, stateDir] =
          /^kept: (\S+) --run-dir (\S+) --state-dir (\S+) ps$/m.exec(stdout) ?? []
        const kata = (...args: string[]) =>
          Bun.spawnSync([program!, '--run-dir', runDir!, '--state-dir', stateDir!, ...args]).stdout.toString()
        expect(kata('ps')).toMatch(/\bbox\b.*\brunning\b/)
        kata('rm', '-f', 'box')
        expect(kata('ps', '--format', 'json')).toBe('[]\n')
        for (const directory of [runDir!, stateDir!]) rmSync(directory, { recursive: true, force: true })
      },
      slow(180_000),
    )
  })
