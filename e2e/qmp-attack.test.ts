/**
 * QEMU driven through its monitor as whoever has taken it over would: everything that a monitor can make a QEMU do with the
 * host. The machine is the real one, jailed as always, with an attacker at the other end of its monitor. The control is the
 * same command to a QEMU that root runs without a jail.
 */

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { closeSync, existsSync, rmSync, writeFileSync } from 'node:fs'
import { builtInConfig } from '../src/config/load.ts'
import { requireImage } from '../src/guest-image/guest-image.ts'
import { isAlive, type ProcessRef } from '../src/linux/processes/proc.ts'
import { connectUnix, socketPair } from '../src/linux/sockets/socket.ts'
import { silentLogger } from '../src/log.ts'
import { launch } from '../src/rootless/jail/jail.ts'
import { QmpClient } from '../src/vmm/qemu/monitor/qmp.ts'
import { firmwareDirs } from '../src/vmm/qemu/program.ts'
import { qemuCommandLine } from '../src/vmm/qemu/settings/command-line.ts'
import { openSockets } from '../src/vmm/qemu/sockets.ts'
import { qemuSyscalls } from '../src/vmm/qemu/syscalls.ts'
import { type OwnedSandbox, takeSandbox } from './attack/stage.ts'
import { hostDisk } from './attack/targets.ts'
import { accelerator } from './harness/accelerator.ts'
import { ownDirectory } from './harness/directories.ts'
import { eventually } from './harness/kata.ts'
import { slow } from './harness/time.ts'

const qemu = '/usr/bin/qemu-system-x86_64'
/** What the attacks read and write; root can do both. */
const scratch = ownDirectory('/var/lib/kt-qmp-')
writeFileSync(`${scratch}/image`, Buffer.alloc(1 << 20))
const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })

interface Machine {
  readonly qmp: QmpClient
  isAlive(): boolean
  end(): Promise<void>
}

let owned: OwnedSandbox
let victim: Machine
let control: Machine
beforeAll(async () => {
  owned = await takeSandbox(scratch, 'victim')
  victim = await jailedMachine()
  control = await plainMachine()
})
afterAll(async () => {
  await victim?.end()
  await control?.end()
  await owned?.ledger.releaseAll()
  listener.stop(true)
  rmSync(scratch, { recursive: true })
})

/** The machine of a sandbox: arguments, jail and user are the product's own. */
async function jailedMachine(): Promise<Machine> {
  const { identity, privateDir, stateDir } = owned
  const image = requireImage()
  const { args, descriptors, paths } = qemuCommandLine(
    {
      sandboxId: 'victim',
      kernel: image.kernel,
      initrd: image.initrd,
      kernelParams: [],
      accelerator,
      vcpus: 1,
      maxVcpus: 1,
      memoryMiB: 128,
      maxMemoryMiB: 0,
    },
    {
      ...builtInConfig().hypervisor,
      pcieRootPort: 2,
      memorySlots: 2,
      firmwareDirs: firmwareDirs(qemu),
      hostCpus: 1,
      hostMemoryMiB: 1024,
    },
  )
  const sockets = openSockets(privateDir)
  const [reader, output] = socketPair()
  const handed = descriptors.flatMap(({ from }) =>
    'listener' in from ? sockets.listeners[from.listener] : [],
  )
  const { ref, exited } = await launch(
    { program: qemu, args, identity, paths, fds: handed, output, stateDir, syscalls: qemuSyscalls },
    silentLogger,
  )
  for (const fd of [output, sockets.console]) closeSync(fd)
  sockets.closeListeners()
  return machineOf(await QmpClient.open(sockets.qmp, () => {}), ref, exited, () => closeSync(reader))
}

async function plainMachine(): Promise<Machine> {
  const path = `${scratch}/control.sock`
  const options = ['-machine', 'q35', '-nodefaults', '-display', 'none', '-S', '-m', '64']
  const child = Bun.spawn([qemu, ...options, '-qmp', `unix:${path},server=on,wait=off`], {
    stdio: ['ignore', 'ignore', 'ignore'],
    cwd: scratch,
  })
  const fd = await eventually('the control', () => connected(path))
  const ref: ProcessRef = { pid: child.pid, startTime: '' }
  const machine = await machineOf(await QmpClient.open(fd, () => {}), ref, child.exited, () => {})
  return { ...machine, isAlive: () => child.exitCode === null }
}

/** Undefined while nobody listens: the socket is there a moment before. */
function connected(path: string): number | undefined {
  try {
    return connectUnix(path)
  } catch {
    return undefined
  }
}

async function machineOf(qmp: QmpClient, ref: ProcessRef, exited: Promise<unknown>, close: () => void) {
  await qmp.negotiate(slow(30_000))
  return {
    qmp,
    isAlive: () => isAlive(ref),
    async end() {
      qmp.close()
      process.kill(ref.pid, 'SIGKILL')
      await exited
      close()
    },
  }
}

/** `ok`, or QEMU's own words for why not; `died` when the attempt cost the attacker the machine. */
async function attempt(machine: Machine, command: string, args: object): Promise<string> {
  try {
    await machine.qmp.execute(command, args)
    return 'ok'
  } catch (error) {
    return machine.isAlive() ? (error as Error).message : 'died'
  }
}

const file = (name: string, filename: string, more = {}) => ({
  driver: 'file',
  'node-name': name,
  filename,
  ...more,
})
const chardev = (id: string, type: string, data: object) => ({ id, backend: { type, data } })
const inet = (port: number) => ({ addr: { type: 'inet', data: { host: '127.0.0.1', port: `${port}` } } })
const unix = (path: string) => ({ addr: { type: 'unix', data: { path } }, server: false })

const missing = /No such file or directory/
const refused = /Permission denied|Read-only file system|No such file or directory/

const attacks: readonly [goal: string, command: string, args: () => object, jailed: RegExp][] = [
  [
    'open the accounts as a disk',
    'blockdev-add',
    () => file('a', '/etc/passwd', { 'read-only': true }),
    missing,
  ],
  ["open root's file as a disk", 'blockdev-add', () => file('b', `${scratch}/image`), missing],
  [
    'open a program as a disk',
    'blockdev-add',
    () => file('c', '/usr/bin/env', { 'read-only': true }),
    refused,
  ],
  [
    "open the host's disk",
    'blockdev-add',
    () => ({ driver: 'host_device', 'node-name': 'd', filename: hostDisk(), 'read-only': true }),
    missing,
  ],
  ['write a file', 'chardev-add', () => chardev('e', 'file', { out: `${scratch}/out` }), missing],
  ['write into its own root', 'chardev-add', () => chardev('f', 'file', { out: '/usr/out' }), refused],
  ['open a terminal', 'chardev-add', () => chardev('g', 'pty', {}), missing],
  [
    'reach a service of the host',
    'chardev-add',
    () => chardev('h', 'socket', { ...inet(listener.port), server: false }),
    /not supported|Network is unreachable/,
  ],
  [
    'connect to its own monitor again',
    'chardev-add',
    () => chardev('i', 'socket', unix(`${owned.privateDir}/qmp.sock`)),
    missing,
  ],
  [
    'map shared memory',
    'object-add',
    () => ({
      'qom-type': 'memory-backend-file',
      id: 'k',
      size: 4096,
      'mem-path': `${scratch}/image`,
      share: true,
    }),
    missing,
  ],
  [
    'read a secret from a file',
    'object-add',
    () => ({ 'qom-type': 'secret', id: 'l', file: '/etc/hostname', format: 'raw' }),
    missing,
  ],
  [
    'take random numbers from any file',
    'object-add',
    () => ({ 'qom-type': 'rng-random', id: 'm', filename: `${scratch}/image` }),
    missing,
  ],
  [
    'dump its memory into a file',
    'pmemsave',
    () => ({ val: 0, size: 4096, filename: `${scratch}/memory` }),
    missing,
  ],
  [
    'dump the guest',
    'dump-guest-memory',
    () => ({ paging: false, protocol: `file:${scratch}/dump` }),
    missing,
  ],
]

describe('a QEMU under foreign control fails to', () => {
  test.each(attacks)('%s', async (_, command, args, jailed) => {
    const byVictim = await attempt(victim, command, args())
    const byRoot = await attempt(control, command, args())
    expect({ byVictim, byRoot }).toEqual({ byVictim: expect.stringMatching(jailed), byRoot: 'ok' })
  })

  test('create a disk image', async () => {
    const create = async ({ qmp }: Machine, name: string) => {
      const filename = `${scratch}/${name}`
      const options = { driver: 'file', filename, size: 4096 }
      await qmp.execute('blockdev-create', { 'job-id': name, options })
      const job = await eventually('the job to end', async () => {
        const jobs = (await qmp.execute('query-jobs')) as { id: string; status: string; error?: string }[]
        return jobs.find(({ id, status }) => id === name && status === 'concluded')
      })
      return job.error ?? 'ok'
    }
    expect(await create(victim, 'by-victim')).toMatch(missing)
    expect(await create(control, 'by-root')).toBe('ok')
    expect([existsSync(`${scratch}/by-victim`), existsSync(`${scratch}/by-root`)]).toEqual([false, true])
  })

  // The last: a VMM that tries may pay with its life, by its own seccomp filter.
  test('run a program', async () => {
    const run = async (machine: Machine, name: string) => {
      await attempt(machine, 'migrate', { uri: `exec:touch ${scratch}/${name}` })
      // The control proves that this is long enough: it goes second.
      return () => existsSync(`${scratch}/${name}`)
    }
    const victimRan = await run(victim, 'ran-by-victim')
    const rootRan = await run(control, 'ran-by-root')
    await eventually('the control to run it', () => rootRan() || undefined)
    expect(victimRan()).toBe(false)
  })
})
