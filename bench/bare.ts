/**
 * The measure to compare with: the same machine without the runtime. QEMU's arguments are the driver's own; taken away
 * are the start stopped (`-S`), QEMU's seccomp filter and, with the share, virtiofsd. It runs as root without a jail.
 */
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { slow } from '../e2e/harness/time.ts'
import { type AgentConnection, connectAgent } from '../src/agent/connection.ts'
import type { Config } from '../src/config/config.ts'
import { silentLogger } from '../src/log.ts'
import { hostFacts } from '../src/vmm/qemu/host-facts.ts'
import { qemuCommandLine } from '../src/vmm/qemu/settings/command-line.ts'
import { openSockets, type SocketRole, socketPath } from '../src/vmm/qemu/sockets.ts'

const bootTimeoutMs = slow(60_000)

export interface BareGuest {
  readonly kernel: string
  readonly initrd: string
  readonly accelerator: 'kvm' | 'tcg'
  readonly config: Config
}

export interface BareBoot {
  /** Milliseconds from the start of QEMU to the guest agent's first answer. */
  readonly bootMs: number
}

/** Boots once and ends the machine. `look` may ask the guest while it runs. */
export async function bootBare(
  guest: BareGuest,
  look: (agent: AgentConnection) => Promise<void> = async () => {},
): Promise<BareBoot> {
  const directory = mkdtempSync(`${tmpdir()}/kata-ts-bench-`)
  const sockets = openSockets(directory)
  const output = openSync(`${directory}/log`, 'a')
  const { argv, fds } = bareCommand(guest)
  const begun = performance.now()
  const child = Bun.spawn([...argv], {
    stdio: ['ignore', output, output, ...fds.map((role) => sockets.listeners[role])],
  })
  sockets.closeListeners()
  closeSync(output)
  let agent: AgentConnection | undefined
  try {
    agent = await connectAgent(
      { kind: 'serial', socketPath: socketPath(directory, 'agent') },
      { log: silentLogger },
    )
    await agent.waitReady({ timeoutMs: bootTimeoutMs })
    const bootMs = performance.now() - begun
    await look(agent)
    return { bootMs }
  } catch (cause) {
    throw new Error(`the bare machine did not boot: ${await Bun.file(`${directory}/log`).text()}`, { cause })
  } finally {
    agent?.close()
    child.kill('SIGKILL')
    await child.exited
    for (const fd of [sockets.qmp, sockets.console]) closeSync(fd)
    rmSync(directory, { recursive: true, force: true })
  }
}

/** The driver's command line with host paths in place of the jail's, and without what belongs to the runtime. */
export function bareCommand({ kernel, initrd, accelerator, config }: BareGuest): {
  argv: string[]
  fds: SocketRole[]
} {
  const { hypervisor } = config
  const { args, descriptors, paths } = qemuCommandLine(
    {
      sandboxId: 'bare',
      kernel,
      initrd,
      accelerator,
      kernelParams: hypervisor.kernelParams,
      vcpus: hypervisor.defaultVcpus,
      maxVcpus: hypervisor.defaultMaxVcpus,
      memoryMiB: hypervisor.defaultMemory,
      maxMemoryMiB: hypervisor.defaultMaxMemory,
    },
    { ...hypervisor, ...hostFacts(hypervisor.path) },
  )
  const hostPath = new Map(paths.map(({ source, target }) => [target, source]))
  const sandbox = args.indexOf('-sandbox')
  const kept = args.filter((arg, i) => arg !== '-S' && i !== sandbox && i !== sandbox + 1)
  return {
    argv: [hypervisor.path, ...kept.map((arg) => hostPath.get(arg) ?? arg)],
    fds: descriptors.flatMap(({ from }) => ('listener' in from ? from.listener : [])),
  }
}
