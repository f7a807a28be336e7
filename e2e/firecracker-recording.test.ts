// test:vmm: firecracker
/**
 * Firecracker and its jailer beside their recordings (e2e/recordings): the real programs where there are both, else their
 * doubles, which may differ in what their table of differences names, and in nothing else.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { closeSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { findTool } from '../src/linux/processes/which.ts'
import { readPosture } from '../src/rootless/posture/posture.ts'
import { differences } from './doubles/firecracker/differences.ts'
import { ownDirectory } from './harness/directories.ts'
import { findVmm } from './harness/vmm.ts'
import type { Answered } from './harness/vmms/ask-api.ts'
import { type Alone, startAlone } from './harness/vmms/firecracker-alone.ts'
import { descriptorKind, recordedLines, recordedProcess, threadsOf } from './harness/vmms/recording.ts'
import { bootLimitMs, guestImage, MachineStage } from './machine/stage.ts'
import { bootWithAgent } from './machine/suite.ts'

const recording = 'firecracker-1.16.1'
const firecracker = await findVmm('firecracker')
const moreSockets = firecracker.isDouble ? differences.reduce((sum, { sockets = 0 }) => sum + sockets, 0) : 0

describe('asked by itself', () => {
  let directory: string
  let vmm: Alone
  /** The recorder's own place for the socket of the one request for a vsock that is taken. */
  const vsock = '/tmp/v.sock'
  beforeAll(() => {
    directory = ownDirectory('/run/kt-recording-')
    writeFileSync(`${directory}/file`, Buffer.alloc(4096))
    rmSync(vsock, { force: true })
  })
  beforeEach(async () => {
    rmSync(`${directory}/api.sock`, { force: true })
    vmm = await startAlone(firecracker.path, `${directory}/api.sock`)
  })
  afterEach(() => vmm[Symbol.asyncDispose]())
  afterAll(() => {
    rmSync(directory, { recursive: true })
    rmSync(vsock, { force: true })
  })

  test('every request is answered as it was', async () => {
    for (const { request, body, head, answer } of recordedLines<Answered>(recording, 'answers.jsonl')) {
      const isLong = typeof body === 'string' && body.startsWith('(60000')
      const sent = isLong ? 'x'.repeat(60_000) : placed(body)
      const length = Number(head.map((line) => /^Content-Length: (\d+)/.exec(line)?.[1]).find(Boolean) ?? 0)
      // What follows is the second answer, to a request that was none.
      expect({ request, body, ...(await vmm.ask({ request, body: sent })) }).toEqual({
        request,
        body,
        head: [...head],
        answer: answer.slice(0, length),
      })
    }
  })

  const placed = (body: Answered['body']): Answered['body'] =>
    JSON.parse(JSON.stringify(body).replace('@file', `${directory}/file`))

  const start = () => vmm.ask({ request: 'PUT /actions', body: { action_type: 'InstanceStart' } })
  const boot = (boot_args: string) =>
    vmm.ask({ request: 'PUT /boot-source', body: { kernel_image_path: guestImage.kernel, boot_args } })
  const drives = async (count: number) => {
    for (let index = 0; index < count; index++) {
      const body = { drive_id: `d${index}`, path_on_host: `${directory}/file`, is_root_device: false }
      await vmm.ask({ request: `PUT /drives/d${index}`, body })
    }
  }

  test('a machine with more devices than there are interrupts for is refused when it starts', async () => {
    await boot('quiet')
    await drives(18)
    expect((await start()).answer).toContain('Could not allocate GSI')
  })

  test('and so is one with a longer kernel command line than there is room for', async () => {
    await boot('x'.repeat(2040))
    expect((await start()).answer).toContain('command line too long')
  })
})

describe('driven by us', () => {
  let stage: MachineStage
  beforeEach(async () => {
    stage = await MachineStage.open(firecracker)
  })
  afterEach(() => stage[Symbol.asyncDispose]())

  test(
    'it looks as it did, waiting and running',
    async () => {
      const image = `${stage.runDir}/disk.img`
      writeFileSync(image, Buffer.alloc(1 << 20), { mode: 0o600 })
      const fd = openSync(image, 'r+')
      const machine = await stage.create()
      const { ref } = await machine.start()
      const waiting = look(ref.pid)
      expect(waiting.threads).toEqual(['fc_api 1', 'firecracker 0'])
      expect(waiting.files).toEqual(['/drives/empty', '/initrd', '/log', '/vmlinux'])
      expect(waiting.sockets).toBe(3)
      const agent = await bootWithAgent(machine)
      await machine.plugDisk({
        id: 'disk1',
        name: image,
        fd,
        kind: 'file',
        bus: 'virtio-mmio',
        readonly: false,
        direct: false,
      })
      const { threads, descriptors, mounts, limits, environment, commandLine } = recordedProcess(recording)
      const running = look(ref.pid)
      expect(running.threads).toEqual(ownThreads(threads))
      const kinds = distinct(Object.values(descriptors).map(descriptorKind))
      // This machine has no card and one disk; and the pipe of the log is new since the recording.
      const wanted = kinds.filter((kind) => kind !== '/dev/net/tun' && kind !== '/drives/disk2 (deleted)')
      expect(running.kinds).toEqual([...wanted, '/log'].sort())
      const own = Object.entries(descriptors).filter(([number]) => Number(number) > 2)
      const recordedSockets = own.filter(([, target]) => target.startsWith('socket:')).length
      expect(running.sockets).toBe(recordedSockets + moreSockets)
      expect(running.mounts).toEqual([...mounts])
      expect(running.limits).toEqual({
        core: limits['Max core file size']!,
        nofile: limits['Max open files']!,
        nproc: limits['Max processes']!,
      })
      expect([running.environment, environment]).toEqual([0, ''])
      expect(plainArguments(running.commandLine)).toEqual(plainArguments(commandLine, ['--log-path', '/log']))
      agent.close()
      await machine.stop()
      closeSync(fd)
    },
    bootLimitMs,
  )

  test.each([
    // The last one wins, and with the real program a triple fault may end with 0 by a race of its own.
    ['the keyboard controller', 'reboot=k', [0]],
    ['a triple fault', 'reboot=t', firecracker.isDouble ? [1] : [0, 1]],
  ])(
    'a kernel that panics and resets by %s is told as that',
    async (_, parameter, codes) => {
      const initrd = `${stage.runDir}/corrupt`
      writeFileSync(initrd, Buffer.concat([Buffer.from('070701'), Buffer.alloc(4096, 'x')]))
      const machine = await stage.create({ initrd, kernelParams: [parameter] })
      await machine.start()
      await machine.boot()
      const { reason, exit } = await machine.ended
      expect(reason).toBe('guest-panicked')
      expect(exit?.code).toBeOneOf(codes)
      await machine.stop()
    },
    bootLimitMs,
  )
})

interface Look {
  /** Names with their filters. */
  readonly threads: readonly string[]
  readonly kinds: readonly string[]
  readonly files: readonly string[]
  readonly sockets: number
  readonly mounts: ReturnType<typeof readPosture>['mounts']
  readonly limits: object
  readonly environment: number
  readonly commandLine: readonly string[]
}

function look(pid: number): Look {
  const { descriptors, mounts, limits, environment } = readPosture(pid)
  const threads = threadsOf(pid)
  const own = Object.entries(descriptors).filter(([number]) => Number(number) > 2)
  const targets = own.map(([, target]) => target)
  const { core, nofile, nproc } = limits
  return {
    threads: ownThreads(threads),
    kinds: distinct(Object.values(descriptors).map(descriptorKind)),
    files: distinct(targets.filter((target) => target.startsWith('/'))),
    sockets: targets.filter((target) => target.startsWith('socket:')).length,
    mounts,
    limits: { core, nofile, nproc },
    environment,
    commandLine: readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean),
  }
}

/** Some kernels show a task of KVM's as a thread of whoever runs a machine. */
const ownThreads = (threads: readonly { readonly name: string; readonly filters: number }[]): string[] =>
  threads
    .filter(({ name }) => !name.startsWith('kvm-nx'))
    .map(({ name, filters }) => `${name} ${filters}`)
    .sort()

const distinct = (values: readonly string[]): string[] => [...new Set(values)].sort()

/** Without the program's name, which is its file's, its id and its times; `more` comes before the level. */
function plainArguments(words: readonly string[], more: readonly string[] = []): string[] {
  const plain = words.slice(1).map((word) => (/^(\d+|kata-\d+)$/.test(word) ? '...' : word))
  const at = plain.indexOf('--level')
  return [...plain.slice(0, at), ...more, ...plain.slice(at)]
}

const strace = findTool('strace')
const noStrace = strace === undefined ? ' (skipped: there is no strace)' : ''

/** As jailer.md has them; a call may stand among others of the same kind, but never before the one above it. */
const calls: readonly RegExp[] = [
  /^close_range\(3, 4294967295, /,
  /^open(at)?\(.*"\/proc\/misc"/,
  /^mkdir(at)?\(.*\/x\/root", 0777\)/,
  /^openat\(.*\/root\/firecracker[^"]*", O_WRONLY\|O_CREAT\|.*O_NOFOLLOW.*, 0755\)/,
  /^fchown\(\d+, 70000, 70000\)/,
  /^prlimit64\(0, RLIMIT_NOFILE, \{rlim_cur=1024, rlim_max=1024\}/,
  /^unshare\(CLONE_NEWNS\)/,
  /^mount\(.*MS_REC\|MS_SLAVE/,
  /^mount\(.*MS_BIND\|MS_REC/,
  /^mkdir(at)?\(.*"old_root", 0600\)/,
  /^pivot_root\("\.", "old_root"\)/,
  /^umount2\("old_root", MNT_DETACH\)/,
  /^(rmdir|unlinkat)\(.*"old_root"/,
  ...['/', '/dev', '/dev/net', '/run'].map((path) => new RegExp(`chown(at)?\\(.*"${path}", 70000, 70000`)),
  /^mknod(at)?\(.*"\/dev\/net\/tun", S_IFCHR\|0600, makedev\(0xa, 0xc8\)\)/,
  /^mknod(at)?\(.*"\/dev\/kvm", S_IFCHR\|0600, makedev\(0xa, 0xe8\)\)/,
  /^mknod(at)?\(.*"\/dev\/urandom", S_IFCHR\|0600, makedev\(0x1, 0x9\)\)/,
  ...(/ userfaultfd$/m.test(readFileSync('/proc/misc', 'utf8'))
    ? [/^mknod(at)?\(.*"\/dev\/userfaultfd", S_IFCHR\|0600, makedev\(0xa, /]
    : []),
  /^clone3?\(.*CLONE_NEWPID/,
]
const callsOfTheChild = [
  /^setgid\(70000/,
  /^setgroups\(0, NULL/,
  /^setuid\(70000/,
  /^execve\("\/firecracker[^"]*", \["\/firecracker[^"]*", "--id", "x", "--start-time-us", "\d+", "--start-time-cpu-us", "\d+", "--parent-cpu-time-us", "\d+", "--version"\], \[\]\)/,
]

test.skipIf(noStrace !== '')(`the jailer does what it did, in that order${noStrace}`, () => {
  const directory = ownDirectory('/var/lib/kt-jailer-')
  try {
    const ids = ['--id', 'x', '--exec-file', firecracker.path, '--uid', '70000', '--gid', '70000']
    const jail = ['--chroot-base-dir', directory, '--resource-limit', 'no-file=1024', '--new-pid-ns']
    const jailer = [firecracker.jailer!, ...ids, ...jail, '--', '--version']
    // A file for each process: in a common one, a call that another process's call interrupts is torn in two.
    const run = Bun.spawnSync([strace!, '-ff', '-v', '-s', '200', '-o', `${directory}/trace`, ...jailer])
    expect(run.exitCode).toBe(0)
    const traces = readdirSync(directory).filter((name) => name.startsWith('trace.'))
    const processes = traces.map((name) => readFileSync(`${directory}/${name}`, 'utf8').split('\n'))
    const isParent = ([first]: readonly string[]) => first!.startsWith(`execve("${firecracker.jailer}"`)
    const missing = (wanted: readonly RegExp[], own: readonly string[]) => {
      let at = 0
      return wanted.filter((call) => {
        const found = own.findIndex((line, index) => index >= at && call.test(line))
        if (found >= 0) at = found + 1
        return found < 0
      })
    }
    const of = (parent: boolean) => processes.filter((own) => isParent(own) === parent).flat()
    expect({ missing: missing(calls, of(true)) }).toEqual({ missing: [] })
    expect({ missing: missing(callsOfTheChild, of(false)) }).toEqual({ missing: [] })
  } finally {
    rmSync(directory, { recursive: true })
  }
})
