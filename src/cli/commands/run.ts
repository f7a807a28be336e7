/** `kata-ts run`: a command in a container in a virtual machine of its own. */
import { type Command, Option } from 'commander'
import type { HealthFlags } from '../parse/health.ts'
import type { RightsFlags } from '../parse/rights.ts'
import { type Cli, collect, describe, noCallerEnv, one, rootAction } from './command.ts'
import { registryOptions } from './images.ts'
import { runGroups } from './run-groups.ts'
import { healthOptions } from './run-health.ts'
import { type HostFlags, hostOptions } from './run-host-options.ts'
import { rightsOptions } from './run-rights.ts'

export interface RunFlags extends RightsFlags, HostFlags, HealthFlags {
  readonly addHost?: readonly string[]
  readonly dns?: readonly string[]
  readonly interactive?: true
  readonly tty?: true
  readonly detach?: true
  readonly attach?: readonly string[]
  readonly sigProxy?: string
  readonly quiet?: true
  readonly platform?: string
  readonly detachKeys?: string
  readonly rm?: true
  readonly restart?: string
  readonly init?: true
  readonly name?: string
  readonly label?: readonly string[]
  readonly labelFile?: readonly string[]
  readonly cidfile?: string
  readonly from?: string
  readonly rootfs?: string
  readonly image?: string
  readonly pull?: string
  readonly tlsVerify?: string
  readonly authfile?: string
  readonly memory?: string
  readonly vcpus?: string
  readonly machineMemory?: string
  readonly cpus?: string
  readonly pidsLimit?: string
  readonly volume?: readonly string[]
  readonly mount?: readonly string[]
  readonly callerVolume?: readonly string[]
  readonly device?: readonly string[]
  readonly env?: readonly string[]
  readonly envFile?: readonly string[]
  /** False with `--no-caller-env`. */
  readonly callerEnv?: boolean
  readonly entrypoint?: string
  readonly user?: string
  readonly workdir?: string
  readonly readOnly?: true
  readonly hostname?: string
  readonly logOpt?: readonly string[]
  readonly storageOpt?: readonly string[]
  readonly stopSignal?: string
  readonly stopTimeout?: string
  readonly network?: string
  readonly networkAlias?: readonly string[]
  readonly ip?: string
  readonly macAddress?: string
  readonly publish?: readonly string[]
  readonly publishAll?: true
  readonly expose?: readonly string[]
  readonly allow?: readonly string[]
  readonly denyAll?: true
  readonly rootless?: string
  readonly accelerator?: string
  readonly config?: string
}

/** The words after the options. */
export interface RunWords {
  readonly args: readonly string[]
  /** They follow a `--`: all of them are the command, and none is an image. */
  readonly onlyCommand: boolean
}

/** Commander leaves the `--` out of the words, which are the end of the command line otherwise. */
export function wordsOf({ args, parent }: Command): RunWords {
  const { rawArgs: raw } = parent as unknown as { readonly rawArgs: readonly string[] }
  return { args, onlyCommand: raw[raw.length - args.length - 1] === '--' }
}

export function runCommand(cli: Cli): Command {
  const command = containerOptions(
    describe({
      usage: 'run [image] [command...]',
      summary: 'run a command in a new container in a virtual machine of its own',
      example: "run --rm -it -m 512M -v /srv/data:/data:ro busybox sh -c 'ls /data'",
    }),
    [startOptions, nameOptions],
  )
    .optionsGroup(runGroups.own)
    .option('--from <snapshot>', 'continue from a snapshot, instead of running an image and a command')
  return rootAction<RunFlags>(command, cli, async (settings, flags) => {
    const { run } = await import('../actions/run.ts')
    return run(settings, flags, wordsOf(command))
  })
}

export function createCommand(cli: Cli): Command {
  const command = containerOptions(
    describe({
      usage: 'create [image] [command...]',
      summary: 'create a container as `run` does, without starting it; `start` boots its machine',
      example: 'create --name web busybox httpd -f',
    }),
    [ioOptions, nameOptions],
  )
  return rootAction<RunFlags>(command, cli, async (settings, flags) => {
    const { create } = await import('../actions/run.ts')
    return create(settings, flags, wordsOf(command))
  })
}

function containerOptions(command: Command, first: readonly ((command: Command) => Command)[]): Command {
  command.passThroughOptions()
  // Help shows them in this order.
  for (const add of [
    ...first,
    imageOptions,
    sizeOptions,
    contentOptions,
    networkOptions,
    machineOptions,
    healthOptions,
    hostOptions,
    rightsOptions,
  ])
    add(command)
  return command
}

const ioOptions = (command: Command): Command =>
  command
    .option(
      '-i, --interactive',
      'pass standard input to the command; with --detach, keep it open for `attach`',
    )
    .option('-t, --tty', 'give the command a terminal')

/** How a container is started that is not only made. */
const startOptions = (command: Command): Command =>
  ioOptions(command)
    .option('-d, --detach', 'print the name and leave the container running')
    .option(
      '-a, --attach <stream>',
      'attach only to stdin, stdout or stderr of the command; repeatable (default: all)',
      collect,
    )
    .option(
      '--sig-proxy <bool>',
      'false: a signal ends this command, and leaves the container running (default: true)',
    )
    .option(
      '--detach-keys <keys>',
      'keys that detach the terminal; `attach` reconnects it (default: ctrl-p,ctrl-q)',
    )

/** What it is called, what is kept of its output, and what happens at its end. */
const nameOptions = (command: Command): Command =>
  command
    .option('--rm', 'remove the container once it has ended')
    .option(
      '--restart <policy>',
      'no, on-failure[:N], always or unless-stopped: start it again once it has ended (default: no)',
    )
    .option('--init', 'run an init as process 1, which passes signals on and reaps orphaned processes')
    .option('--name <name>', 'name of the container (default: a random one)')
    .option('-l, --label <key=value>', 'label, for `ps --filter label=...`; repeatable', collect)
    .option('--label-file <file>', 'file with one label on each line; repeatable', collect)
    .option('--cidfile <file>', 'write the name to this file, which must not exist')
    .option('--log-opt <name=value>', 'limits of the log: max-size=16m, max-file=2; repeatable', collect)
    .option('--stop-signal <signal>', 'the signal of `stop` (default: the image’s, or TERM)')
    .option(
      '--stop-timeout <seconds>',
      'how long `stop` waits before SIGKILL; -1 waits forever (default: 10)',
    )

/** The root file system, in the place of an image by name. */
const imageOptions = (command: Command): Command =>
  registryOptions(
    command
      .optionsGroup(runGroups.image)
      .option('--rootfs <dir>', 'root file system: a directory, which is never modified')
      .option(
        '--image <file[:tag]>',
        'root file system: an OCI or docker archive, an OCI layout directory, or - for an archive on standard input',
      )
      .option('--pull <when>', 'missing, always or never: when to ask the registry (default: missing)')
      .option('-q, --quiet', 'show no progress of a pull on standard error')
      .option('--platform <os/arch>', 'only linux/amd64, which is the default'),
  )

/** Sizes and limits. */
const sizeOptions = (command: Command): Command =>
  command
    .optionsGroup(runGroups.limits)
    .option(
      '-m, --memory <size>',
      'memory limit of the container, such as 512M and at least 6M; its machine grows by as much',
    )
    .option('--cpus <n>', 'processors that the container may use, such as 1.5; its machine grows by as many')
    .option(
      '--machine-memory <size>',
      'memory of the machine itself, to which --memory is added (default: from the configuration)',
    )
    .option(
      '--vcpus <n>',
      'processors of the machine itself, to which --cpus, or else those of --cpuset-cpus, are added (default: from the configuration)',
    )
    .option('--pids-limit <n>', 'how many processes the container may have; -1 for no limit')
    .option(
      '--storage-opt <size=SIZE>',
      'limit on what the container writes, at least 16M; puts its root file system on disks of the machine',
      collect,
    )

/** What the command finds in its container. */
const contentOptions = (command: Command): Command =>
  command
    .optionsGroup(runGroups.content)
    .option(
      '-v, --volume <src:dst[:ro]>',
      'mount a host path (./src is relative to the working directory), a named volume, or (src:dst:ext4) the file system of a disk; repeatable',
      collect,
    )
    .addOption(
      new Option('--caller-volume <json>', 'from the service: a volume of a user')
        .argParser(collect)
        .hideHelp(),
    )
    .option(
      '--mount <fields>',
      'type=bind,source=SRC,target=DST[,readonly], or type=tmpfs,target=DST; repeatable',
      collect,
    )
    .option(
      '--device <src[:dst][:r]>',
      'give the container a device or disk image of the host; repeatable',
      collect,
    )
    .option(
      '-e, --env <key=value>',
      'environment variable; KEY alone passes yours on, or removes it if you have none; repeatable',
      collect,
    )
    .addOption(noCallerEnv())
    .option('--env-file <file>', 'file with KEY=VALUE on each line; --env wins; repeatable', collect)
    .option('--entrypoint <program>', 'run this program instead of the image’s entry point and command')
    .option('-u, --user <user[:group]>', 'name or number inside the container')
    .option('-w, --workdir <dir>', 'working directory inside the container')
    .option('--read-only', 'make the root file system read-only')

/** What it reaches, and who reaches it. */
const networkOptions = (command: Command): Command =>
  command
    .optionsGroup(runGroups.network)
    .option(
      '--network <none|bridge|name|ns:path>',
      'bridge: DNS and access to the outside, but not to the host; none; the name of a network from `network create`; ns:/run/netns/x: the interfaces of that network namespace (default: bridge; none where the configuration has internetworking_model = "none")',
      one('--network', 'a container is on one network for life'),
    )
    .option(
      '--network-alias <name>',
      'additional name by which others on the network find it; repeatable',
      collect,
    )
    .option(
      '--ip <address>',
      'its IPv4 address on the network, from which its IPv6 address is derived (default: a free one)',
    )
    .option('--mac-address <mac>', 'its hardware address (default: derived from its IPv4 address)')
    .option(
      '-p, --publish <[ip:][host:]container[/udp]>',
      'publish a port of the container at a port of the host, or at any free one; repeatable',
      collect,
    )
    .option(
      '-P, --publish-all',
      'publish all ports that the image or --expose names, at free ports of the host',
    )
    .option(
      '--expose <port[-port][/udp]>',
      'declare a port of the container, for --publish-all and `inspect`; repeatable',
      collect,
    )
    .option(
      '--allow <host[:port]>',
      'let the container reach only this name, *.NAME, IPv4 address or [IPv6 address] outside, by TCP; repeatable',
      collect,
    )
    .option('--deny-all', 'let the container reach nothing outside except what --allow names')
    // `-h` is the host name, as in docker. Were it help, a run with it would end with 0.
    .option('-h, --hostname <name>', 'host name (default: the name of the container)')

/** The machine itself. */
const machineOptions = (command: Command): Command =>
  command
    .optionsGroup(runGroups.machine)
    .option(
      '--rootless <bool>',
      'true: run the VMM as a throw-away user; false: as root (default: from the configuration)',
    )
    .option('--accelerator <name>', 'auto, kvm or tcg (default: from the configuration)')
    .option('--config <file>', 'configuration file')
