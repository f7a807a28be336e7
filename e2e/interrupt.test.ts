/**
 * `npm test` that is interrupted, in every way: nothing that it started runs any more. The run that is interrupted is
 * this file again, which then holds a containerd and a sandbox until it is ended.
 */
import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { isAlive, type ProcessRef, processRef } from '../src/linux/processes/proc.ts'
import { Containerd } from './containerd/containerd.ts'
import { argumentsOf, descendantsOf } from './harness/host/processes.ts'
import { eventually, Kata, scratch } from './harness/kata.ts'
import { slow } from './harness/time.ts'

/** Where the held run writes what it holds. */
const note = process.env.KATA_TS_E2E_HOLD

interface Held {
  /** Command lines: on the host of that run the processes have other pids. */
  readonly commands: readonly string[]
  /** Those that are this host's too. */
  readonly directories: readonly string[]
}

async function hold(path: string): Promise<never> {
  const containerd = await Containerd.start()
  const kata = new Kata()
  const { code, stderr } = await kata.call(['run', '-d', '--name', 'held', '--', 'sleep', '3600'])
  if (code !== 0) throw new Error(stderr)
  const { shimPid, vmmPid, virtiofsdPids } = (await kata.inspect('held')).sandbox
  const held: Held = {
    commands: [containerd.pid, shimPid, vmmPid, ...virtiofsdPids].map(commandOf),
    directories: [kata.stateDir, containerd.files.root],
  }
  writeFileSync(`${path}.draft`, JSON.stringify(held))
  renameSync(`${path}.draft`, path)
  for (;;) await Bun.sleep(1000)
}

const commandOf = (pid: number) => argumentsOf(pid).join(' ')

/** Processes between npm and the tests, by what their command lines hold. */
const between = {
  'setup/main.ts': (args: readonly string[]) => args.includes('setup/main.ts'),
  'setup/gate/test.ts': (args: readonly string[]) => args.includes('setup/gate/test.ts'),
  'PID 1 of the host': (args: readonly string[]) => args[1] === 'setup/gate/own-host-init.ts',
  'bun test': (args: readonly string[]) => args.includes('./e2e/harness/preload.ts'),
}

/** Kills the one of them below npm. */
const killBetween = (name: keyof typeof between) => (npm: number) => {
  const [pid] = descendantsOf([npm]).filter((below) => between[name](argumentsOf(below)))
  process.kill(pid!, 'SIGKILL')
}

const ways: readonly [way: string, interrupt: (npm: number) => void][] = [
  ['Ctrl-C: SIGINT to the process group', (npm) => process.kill(-npm, 'SIGINT')],
  ['SIGTERM to npm', (npm) => process.kill(npm, 'SIGTERM')],
  ['SIGKILL of npm', (npm) => process.kill(npm, 'SIGKILL')],
  ['SIGKILL of setup/main.ts', killBetween('setup/main.ts')],
  ['SIGKILL of setup/gate/test.ts', killBetween('setup/gate/test.ts')],
  ['SIGKILL of PID 1 of the host', killBetween('PID 1 of the host')],
  ['SIGKILL of bun test', killBetween('bun test')],
]

if (note !== undefined) test('holds what it started until it is ended', () => hold(note), slow(3_600_000))
else
  describe('nothing that npm test started outlives it', () => {
    test.each(ways)(
      'after %s',
      async (_, interrupt) => {
        using area = scratch()
        const path = `${area.path}/held`
        const npm = Bun.spawn(['setsid', 'npm', 'test', '--', 'e2e', 'e2e/interrupt.test'], {
          cwd: resolve(import.meta.dir, '..'),
          env: { ...process.env, KATA_TS_E2E_HOLD: path },
          stdio: ['ignore', 'ignore', 'ignore'],
        })
        const told = await eventually('the run', () => (existsSync(path) ? path : undefined), 60_000)
        const held = JSON.parse(readFileSync(told, 'utf8')) as Held
        const started = descendantsOf([npm.pid]).flatMap((pid) => processRef(pid) ?? [])
        expect(started.map(({ pid }) => commandOf(pid))).toEqual(expect.arrayContaining([...held.commands]))
        interrupt(npm.pid)
        await npm.exited
        let running: ProcessRef[] = started
        await eventually('the end of all', () => {
          running = started.filter(isAlive)
          return running.length === 0 || undefined
        }).catch(() => {})
        const left = running.map(({ pid }) => commandOf(pid))
        for (const { pid } of running) process.kill(pid, 'SIGKILL')
        expect(left).toEqual([])
        for (const directory of held.directories) rmSync(directory, { recursive: true, force: true })
      },
      slow(120_000),
    )
  })
