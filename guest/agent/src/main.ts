/**
 * The guest agent: PID 1 of the virtual machine. The kernel starts the same program when it misses a module, and the agent when
 * the containers of a pod share their processes.
 */
import './system/polyfills.ts'
import { exit } from 'std'
import { onRejection } from 'syscalls'
import { serve, type Transport, TtrpcError } from '../../../src/ttrpc/ttrpc.ts'
import { bootGuest } from './boot/boot.ts'
import { enterDisk, lookAround } from './boot/root-disk.ts'
import { findDevicesWithoutPci } from './boot/virtio-mmio.ts'
import { tellCalls } from './call-log.ts'
import { createCrun } from './container/crun.ts'
import { sealCrun } from './container/crun-program.ts'
import { createOomEvents } from './container/oom.ts'
import { isPodProcess, PodProcesses, waitForOrphans } from './container/pod-processes.ts'
import { createReaper } from './container/reaper.ts'
import { createLoop, type Loop } from './devices/loop.ts'
import { requestedModule } from './devices/module-index.ts'
import { answerRequest } from './devices/module-requests.ts'
import { loadModuleNamed } from './devices/modules.ts'
import { PassedDevices } from './devices/passed-devices.ts'
import { describe } from './errors.ts'
import { switchOff } from './machine.ts'
import { agentServices } from './rpc/services.ts'
import { Sandbox } from './sandbox.ts'
import { PodVolumes } from './storage/pod-volumes.ts'
import { SharedSources } from './storage/shared-sources.ts'
import { type MountedStorage, mountStorage, resizeEphemeral, unmountStorage } from './storage/storage.ts'
import type { AgentOptions } from './system/command-line.ts'
import { say, sayError } from './system/console.ts'
import { makeDirectories } from './system/files.ts'
import { sharedDirectory } from './system/paths.ts'
import { sleep } from './system/wait.ts'
import { findAgentPort, servePort } from './transport/virtio-port.ts'
import { serveVsock } from './transport/vsock.ts'

const crunDirectory = '/run/crun'
/** The last answer must reach the host before the machine is gone. */
const farewellMilliseconds = 20

async function main(): Promise<void> {
  dieOfUnhandledRejections()
  const { inInitramfs, disk, options } = lookAround()
  if (options.withoutPci) findDevicesWithoutPci()
  if (disk !== undefined) await enterDisk(disk)
  bootGuest({ inInitramfs })
  const loop = createLoop()
  makeDirectories(crunDirectory, 0o700)
  const oom = createOomEvents(loop)
  const reaper = createReaper(loop)
  const crun = createCrun(reaper, sealCrun({ inInitramfs }), crunDirectory)
  const volumes = new PodVolumes({
    mount: (storage) => mountStorage(storage, reaper.exitOf),
    remount: resizeEphemeral,
    unmount: (mounted: MountedStorage) => unmountStorage(mounted, reaper.exitOf),
  })
  const sources = new SharedSources(sharedDirectory, reaper.exitOf)
  const passed = new PassedDevices()
  const podProcesses = new PodProcesses({ loop, crun })
  const sandbox = new Sandbox(
    { loop, oom, crun, volumes, sources, passed, exitOf: reaper.exitOf },
    podProcesses,
  )
  const served = agentServices({
    sandbox,
    oom,
    passed,
    exitOf: reaper.exitOf,
    report: (error) => sayError('while the sandbox ends', error),
    switchOff: () =>
      void sleep(farewellMilliseconds).then(() => switchOff({ byRestart: options.endsByRestart })),
  })
  const services = options.tellsCalls ? tellCalls(served, say) : served
  const onConnection = (transport: Transport): void => {
    const { closed } = serve(transport, services, {
      toStatus: (error) =>
        error instanceof TtrpcError ? undefined : { code: 'internal', message: describe(error) },
    })
    void closed.then((error) => error && sayError('connection lost', error))
  }
  await listen(loop, options, onConnection)
  say('ready')
}

/** Serves the virtio-serial port, and vsock when the kernel command line asks for it. Throws when there is neither. */
async function listen(
  loop: Loop,
  { vsockPort }: AgentOptions,
  onConnection: (transport: Transport) => void,
): Promise<void> {
  if (vsockPort !== undefined) {
    loadModuleNamed('vmw_vsock_virtio_transport')
    serveVsock(loop, vsockPort, onConnection)
  }
  const port = await findAgentPort()
  if (port !== undefined) servePort(loop, port, onConnection)
  if (port === undefined && vsockPort === undefined)
    throw new Error('the machine has neither a virtio-serial port agent.channel.0 nor agent.server_addr')
}

/** A promise may get its handler later in the same turn (every async function that throws at once does). */
function dieOfUnhandledRejections(): void {
  const unhandled = new Map<Promise<unknown>, unknown>()
  onRejection((promise, reason, handled) => {
    if (handled) unhandled.delete(promise)
    else unhandled.set(promise, reason)
    if (unhandled.size === 1)
      void sleep(0).then(() => {
        for (const reason of unhandled.values()) die(reason)
      })
  })
}

/** The kernel panics when its first process ends: the host sees this line and then the panic. */
function die(error: unknown): never {
  sayError('cannot go on', error)
  exit(1)
}

const request = requestedModule(scriptArgs)
if (isPodProcess(scriptArgs)) waitForOrphans(createLoop())
else if (request === undefined) main().catch(die)
else exit(answerRequest(request))
