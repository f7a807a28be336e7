/**
 * A test double of the shim: the same actions and the same Task service, but the container is a plain process of the
 * host. It shows what the client does; it shows nothing about machines.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { writeFailure } from '../../bundle/failure.ts'
import { bundleFile } from '../../bundle/files.ts'
import { markOomKilled } from '../../bundle/oom-killed.ts'
import { writeShimProcess } from '../../bundle/shim-process.ts'
import { errorInfoOf } from '../../errors/told.ts'
import { KataError } from '../../errors.ts'
import { processRef } from '../../linux/processes/proc.ts'
import { Metrics } from '../../protocol/generated/containerd/cgroups_v2.ts'
import { DeleteResponse, TaskDefinition } from '../../protocol/generated/containerd/task.ts'
import { Status } from '../../protocol/generated/containerd/types.ts'
import { connectUnix, listen } from '../../ttrpc/bun.ts'
import { serve, service, TtrpcError } from '../../ttrpc/ttrpc.ts'
import { endGroup, spawnOn } from './process.double.ts'
import type { StreamUris } from './streams.ts'

interface FakeProcess {
  readonly args: readonly string[]
  readonly io: StreamUris
  child?: Bun.Subprocess
  delivered?: Promise<void>
  closeInput?: () => void
}

const argv = process.argv.slice(2)
const flag = (name: string) => argv[argv.indexOf(`-${name}`) + 1] ?? ''
const action = argv.at(-1)
const [id, bundle, runDir] = [flag('id'), flag('bundle'), flag('run-dir')]
const socket = `${runDir}/${id}.sock`

if (['monitor', 'service-worker', 'exec'].includes(argv[0]!)) await commandLine()
else if (action === 'start') await start()
else if (action === 'serve') serveTasks()
else if (action === 'delete') remove()

/** The command line, which is in the same executable. */
async function commandLine(): Promise<never> {
  const { runCli } = await import('../cli.ts')
  process.exit(await runCli(argv, { script: import.meta.path, execPath: process.execPath, env: process.env }))
}

async function start(): Promise<void> {
  if (readFileSync(bundleFile(bundle, 'spec'), 'utf8').includes('"refuse-start"')) {
    const error = new KataError('POD_SHIM_GONE', { id, pod: 'p' })
    writeFailure(bundle, 'actionFailure', error)
    writeSync(2, `{"level":"warn"}\n${error.message}\n`)
    process.exit(1)
  }
  mkdirSync(runDir, { recursive: true })
  const daemon = Bun.spawn([process.execPath, import.meta.path, ...argv.slice(0, -1), 'serve'], {
    stdio: ['ignore', 'ignore', 'ignore'],
    detached: true,
  })
  writeShimProcess(bundle, processRef(daemon.pid)!)
  while (!(await answers())) {
    // Like the shim, this does not wait for a dead daemon, which may have been killed meanwhile.
    if (daemon.exitCode !== null || daemon.signalCode !== null) break
    await Bun.sleep(5)
  }
  writeSync(1, `unix://${socket}`)
  process.exit(0)
}

async function answers(): Promise<boolean> {
  return connectUnix(socket).then(
    (transport) => {
      transport.close()
      return true
    },
    () => false,
  )
}

function remove(): void {
  if (existsSync(`${dirname(bundle)}/refuse-delete`)) {
    writeFailure(bundle, 'actionFailure', new KataError('TEARDOWN_BUSY', { path: bundle, seconds: 1 }))
    process.exit(1)
  }
  rmSync(socket, { force: true })
  writeSync(1, DeleteResponse.encode(DeleteResponse.fromPartial({ exitStatus: 137 })).finish())
}

function serveTasks(): void {
  const processes = new Map<string, FakeProcess>()
  let isPaused = false
  const find = (execId: string) => {
    const found = processes.get(execId)
    if (found === undefined) throw new KataError('TASK_NOT_FOUND', { id: execId || id })
    return found
  }
  const exit = async (execId: string) => {
    const { child, args, delivered } = find(execId)
    await child?.exited
    // A child of the process may keep the output open.
    await Promise.race([delivered, Bun.sleep(500)])
    if (args.includes('out-of-memory')) markOomKilled(bundle)
    return child?.signalCode ? 128 + signalNumber(child.signalCode) : (child?.exitCode ?? 0)
  }
  const tasks = service(TaskDefinition, {
    async create({ stdin, stdout, stderr }) {
      const { process: init } = JSON.parse(readFileSync(bundleFile(bundle, 'spec'), 'utf8'))
      if (init.args[0] === 'refuse-create')
        throw new KataError('AGENT_DIED', { endpoint: 'e', reason: 'no guest' })
      if (init.args[0] === 'never-made') {
        writeFileSync(`${bundle}/being-made`, '')
        await new Promise(() => {})
      }
      if (init.args.includes('made-when-told')) {
        writeFileSync(`${bundle}/being-made`, '')
        while (!existsSync(`${bundle}/make`)) await Bun.sleep(10)
      }
      if (init.args[0] === 'refuse-without-code') throw new TtrpcError('internal', 'the guest says: no')
      processes.set('', { args: init.args, io: { stdin, stdout, stderr } })
      return {}
    },
    async exec({ execId, spec, stdin, stdout, stderr }) {
      const { args } = JSON.parse(new TextDecoder().decode(spec!.value))
      const isLate = args.includes('made-late')
      if (isLate) {
        writeFileSync(`${bundle}/exec-asked`, '')
        await Bun.sleep(1000)
      }
      if (processes.has(execId)) throw new KataError('TASK_EXISTS', { id: `exec ${execId} in ${id}` })
      processes.set(execId, { args, io: { stdin, stdout, stderr } })
      if (isLate) writeFileSync(`${bundle}/exec-made`, '')
      return {}
    },
    pause() {
      isPaused = true
      find('').child?.kill('SIGSTOP')
      return {}
    },
    resume() {
      if (!isPaused) throw new KataError('TASK_STATE', { action: 'unpause', id, state: 'running' })
      isPaused = false
      find('').child?.kill('SIGCONT')
      return {}
    },
    async start({ execId }) {
      if (find(execId).args[0] === 'never-started') await new Promise(() => {})
      const found = find(execId)
      if (isPaused || found.args.includes('paused-meanwhile'))
        throw new KataError('TASK_STATE', { action: 'exec in', id, state: 'paused' })
      if (Bun.which(found.args[0]!) === null)
        throw new KataError('COMMAND_NOT_FOUND', { command: found.args[0]!, reason: 'no such file' })
      const started = spawnOn(found.io, found.args)
      Object.assign(found, started)
      // A container's processes end with its first one.
      if (execId === '') void started.child.exited.then(() => endGroup(started.child))
      return { pid: find(execId).child?.pid ?? 0 }
    },
    wait: async ({ execId }) => ({ exitStatus: await exit(execId) }),
    async state({ execId }) {
      const { child } = find(execId)
      if (child === undefined) return { status: Status.CREATED }
      const ended = child.exitCode !== null || child.signalCode !== null
      if (ended) return { status: Status.STOPPED, exitStatus: await exit(execId) }
      return { status: isPaused ? Status.PAUSED : Status.RUNNING }
    },
    connect: () => ({ shimPid: process.pid, taskPid: find('').child?.pid ?? process.pid }),
    stats() {
      const { child } = find('')
      if (child === undefined || child.exitCode !== null) throw new KataError('TASK_NOT_FOUND', { id })
      // The usage of half a processor.
      const cpu = { usageUsec: BigInt(Math.round(performance.now() * 500)) }
      const memory = { usage: 3n << 20n, usageLimit: 64n << 20n }
      const metrics = Metrics.fromPartial({ cpu, memory, pids: { current: 2n } })
      return {
        stats: { typeUrl: 'io.containerd.cgroups.v2.Metrics', value: Metrics.encode(metrics).finish() },
      }
    },
    async kill({ execId, signal }) {
      const { child, args } = find(execId)
      if (existsSync(`${bundle}/refuse-kill`)) {
        writeFileSync(`${bundle}/refused-kill`, '')
        throw new KataError('AGENT_DIED', { endpoint: 'e', reason: 'no guest' })
      }
      // A save of the machine takes so long: longer than a client waits for the answer.
      if (args.includes('held-up')) await Bun.sleep(11_000)
      if (child === undefined)
        throw new KataError('TASK_STATE', { action: 'signal', id: execId, state: 'created' })
      child.kill(signal as NodeJS.Signals & number)
      return {}
    },
    update({ resources }) {
      writeFileSync(`${bundle}/limits`, resources!.value)
      return {}
    },
    closeIO({ execId }) {
      find(execId).closeInput?.()
      return {}
    },
    delete({ execId }) {
      const { child } = find(execId)
      if (execId !== '' && child?.exitCode === null && child.signalCode === null)
        throw new KataError('TASK_STATE', { action: 'delete', id: execId, state: 'running' })
      if (child !== undefined) endGroup(child)
      processes.delete(execId)
      return {}
    },
    shutdown() {
      // A machine would write the container's files back here.
      writeFileSync(`${dirname(bundle)}/asked-to-end`, '')
      setTimeout(() => process.exit(0), 5)
      return {}
    },
  })
  listen({ unix: socket }, (transport) => serve(transport, [tasks], { toStatus }))
}

const toStatus = (error: unknown) =>
  error instanceof KataError
    ? { code: error.status, message: error.message, ...errorInfoOf(error) }
    : undefined

function signalNumber(name: NodeJS.Signals | number): number {
  return { SIGKILL: 9, SIGTERM: 15, SIGINT: 2, SIGHUP: 1 }[name as string] ?? 0
}
