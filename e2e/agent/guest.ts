/** One virtual machine with the guest agent in it and a shared directory, without any of the runtime around it. */
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { busyboxPath } from '../../setup/paths.ts'
import { AgentServiceDefinition } from '../../src/protocol/generated/agent.ts'
import { HealthDefinition } from '../../src/protocol/generated/health.ts'
import { connectUnix } from '../../src/ttrpc/bun.ts'
import {
  type Client,
  type ClientConnection,
  connect,
  createClient,
  type Transport,
} from '../../src/ttrpc/ttrpc.ts'
import { accelerator as chosen } from '../harness/accelerator.ts'
import { ownDirectory } from '../harness/directories.ts'
import { slow } from '../harness/time.ts'
import { vmm } from '../harness/vmm.ts'

export type AgentClient = Client<typeof AgentServiceDefinition>
export type HealthClient = Client<typeof HealthDefinition>

/** This guest runs in a QEMU of the tests' own. A double says KVM of machines that are emulated all the same. */
const accelerator = vmm.isDouble ? 'tcg' : chosen
/** TCG's processor is without what is slow there. */
const cpu = accelerator === 'kvm' ? 'host' : 'max,-erms,-fsrm,-fsrs,-fzrm'

/** Kernel parameters of a quick boot under TCG; `init_on_alloc` must stay on there (stale translated code). */
const kernelParameters = [
  'console=ttyS0 quiet cryptomgr.notests noreplace-smp lsm=capability audit=0 random.trust_cpu=on no_timer_check',
  'tsc=reliable pci=lastbus=0 8250.nr_uarts=1 reboot=k panic=1',
  'initcall_blacklist=load_system_certificate_list,jent_mod_init,bpf_tcp_ca_kfunc_init,bpf_dummy_struct_ops_init,bpf_prog_test_run_init,cec_init,init_encrypted,ftrace_check_sync,crypto_kdf108_init',
].join(' ')

const bootLimitMs = slow(60_000)

/** Where containers' root file systems are, seen from the guest. */
export const guestShare = '/run/kata-containers/shared/containers'

export interface Guest {
  readonly agent: AgentClient
  readonly health: HealthClient
  /** Directory on the host that the guest has at {@link guestShare}. */
  readonly share: string
  /** Milliseconds from the start of QEMU to the first answer. */
  readonly bootMs: number
  /** What the guest wrote on its console so far. */
  console(): string
  /** How many pages of the guest's memory have this text in them. */
  pagesWith(text: string): number
  /** Whether the server of the shared directory stands still. */
  stallShare(isStalled: boolean): void
  /** Drops the connection to the agent and sends these bytes over a raw one. */
  garble(bytes: Uint8Array): Promise<void>
  /** Drops the connection to the agent and makes a new one. */
  reconnect(): Promise<void>
  /** Resolves when QEMU has ended. */
  readonly ended: Promise<number>
  [Symbol.asyncDispose](): Promise<void>
}

export interface GuestOptions {
  readonly kernel: string
  readonly initrd: string
  readonly memoryMiB?: number
  readonly cpus?: number
  readonly extraParameters?: string
  /** A raw image that becomes /dev/vda. */
  readonly disk?: string
}

/** Starts virtiofsd and QEMU and waits for the agent's first answer. */
export async function startGuest(options: GuestOptions): Promise<Guest> {
  const { kernel, initrd, memoryMiB = 512, cpus = 1, extraParameters = '', disk } = options
  const dir = ownDirectory(join(tmpdir(), 'agent-e2e-'))
  const share = join(dir, 'share')
  mkdirSync(share)
  const serial = join(dir, 'console.log')
  const virtiofsd = Bun.spawn(
    [
      '/usr/libexec/virtiofsd',
      `--socket-path=${dir}/fs.sock`,
      `--shared-dir=${share}`,
      '--sandbox=chroot',
      '--cache=auto',
    ],
    { stdio: ['ignore', 'ignore', 'ignore'] },
  )
  await until('virtiofsd', () => isListening(`${dir}/fs.sock`))
  const started = performance.now()
  const qemu = Bun.spawn(
    [
      'qemu-system-x86_64',
      ...['-M', 'q35,memory-backend=mem', '-accel', accelerator, '-cpu', cpu],
      ...[
        '-m',
        `${memoryMiB}M`,
        '-smp',
        String(cpus),
        '-display',
        'none',
        '-no-reboot',
        '-nodefaults',
        '-no-user-config',
      ],
      ...['-object', `memory-backend-memfd,id=mem,size=${memoryMiB}M,share=on`],
      ...['-kernel', kernel, '-initrd', initrd, '-append', `${kernelParameters} ${extraParameters}`],
      ...['-serial', `file:${serial}`],
      ...['-chardev', `socket,id=agent,path=${dir}/agent.sock,server=on,wait=off`],
      ...['-device', 'virtio-serial-pci', '-device', 'virtserialport,chardev=agent,name=agent.channel.0'],
      ...['-chardev', `socket,id=fs,path=${dir}/fs.sock`],
      ...['-device', 'vhost-user-fs-pci,chardev=fs,tag=kataShared,queue-size=1024'],
      ...(disk === undefined ? [] : diskArgs(disk)),
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  const console = () => (existsSync(serial) ? readFileSync(serial, 'utf8') : '')
  let connection: ClientConnection | undefined

  const dispose = async () => {
    connection?.close()
    for (const child of [qemu, virtiofsd]) {
      child.kill('SIGKILL')
      await child.exited
    }
    rmSync(dir, { recursive: true, force: true })
  }

  try {
    connection = connect(await connectSoon(`${dir}/agent.sock`))
    const channel = { call: (...args: Parameters<ClientConnection['call']>) => connection!.call(...args) }
    const agent = createClient(AgentServiceDefinition, channel)
    const health = createClient(HealthDefinition, channel)
    await health.check({}, { timeoutMs: bootLimitMs })
    const bootMs = performance.now() - started
    return {
      agent,
      health,
      share,
      bootMs,
      console,
      ended: qemu.exited,
      pagesWith: (text) => pagesWith(qemu.pid, text),
      stallShare: (isStalled) => virtiofsd.kill(isStalled ? 'SIGSTOP' : 'SIGCONT'),
      async garble(bytes) {
        connection?.close()
        const raw = await connectUnix(`${dir}/agent.sock`)
        await raw.write(bytes)
        raw.close()
      },
      async reconnect() {
        connection?.close()
        connection = connect(await connectUnix(`${dir}/agent.sock`))
        // The news of the change and the first bytes reach the guest by different queues: what overtakes is lost.
        for (let tries = 0; tries < 10; tries++)
          if (await health.check({}, { timeoutMs: slow(1000) }).then(yes, no)) return
        throw new Error('the agent does not answer on a new connection')
      },
      [Symbol.asyncDispose]: dispose,
    }
  } catch (error) {
    const text = console()
    await dispose()
    throw new Error(`the guest did not start; its console:\n${text}`, { cause: error })
  }
}

const pageBytes = 4096
const windowBytes = 16 * 1024 * 1024

function pagesWith(pid: number, text: string): number {
  const fds = readdirSync(`/proc/${pid}/fd`).map((fd) => `/proc/${pid}/fd/${fd}`)
  const memory = fds.find((fd) => readlinkSync(fd).startsWith('/memfd:memory-backend-memfd'))
  const fd = openSync(memory!, 'r')
  try {
    const bytes = Buffer.alloc(windowBytes)
    let pages = 0
    for (let at = 0; readSync(fd, bytes, 0, windowBytes, at) > 0; at += windowBytes)
      for (let found = bytes.indexOf(text); found !== -1; pages++)
        found = bytes.indexOf(text, (Math.floor(found / pageBytes) + 1) * pageBytes)
    return pages
  } finally {
    closeSync(fd)
  }
}

function diskArgs(disk: string): string[] {
  const blockdev = `driver=file,node-name=disk,filename=${disk},read-only=on`
  return ['-blockdev', blockdev, '-device', 'virtio-blk-pci,drive=disk']
}

/** A root file system with busybox and all its commands, at `share/CONTAINER/rootfs`. */
export function makeRootfs(share: string, container: string): string {
  const rootfs = join(share, container, 'rootfs')
  for (const name of ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp', 'root'])
    mkdirSync(join(rootfs, name), { recursive: true })
  cpSync(busyboxPath, join(rootfs, 'bin/busybox'))
  for (const command of [
    'sh',
    'cat',
    'echo',
    'sleep',
    'stty',
    'id',
    'head',
    'wc',
    'ls',
    'md5sum',
    'tail',
    'mount',
    'hostname',
    'dd',
    'kill',
    'true',
    'grep',
    'ps',
    'env',
    'pwd',
    'date',
    'touch',
    'readlink',
  ])
    symlinkSync('busybox', join(rootfs, 'bin', command))
  return rootfs
}

/** The socket is there a moment before QEMU listens on it. */
async function connectSoon(path: string): Promise<Transport> {
  for (let tries = 0; ; tries++) {
    try {
      return await connectUnix(path)
    } catch (error) {
      if (tries > 1000) throw error
      await Bun.sleep(5)
    }
  }
}

/** The socket is there a moment before virtiofsd listens on it, too. Nobody may connect to find out: it serves the first alone. */
function isListening(path: string): boolean {
  const sockets = readFileSync('/proc/net/unix', 'utf8').split('\n')
  // Num RefCount Protocol Flags Type St Inode Path; the flag is __SO_ACCEPTON.
  return sockets.some((line) => line.endsWith(` ${path}`) && line.split(' ')[3] === '00010000')
}

const yes = () => true
const no = () => false

async function until(what: string, done: () => boolean): Promise<void> {
  for (let waited = 0; !done(); waited += 5) {
    if (waited > slow(10_000)) throw new Error(`${what} did not appear`)
    await Bun.sleep(5)
  }
}
