/**
 * What a member of the group may ask for: commands and their options, by name. What is not here is refused, also what another version
 * adds. THREAT-MODEL.md has the reasons.
 */
import type { LogBounds } from '../../sandbox/records/container-log.ts'

/**
 * How the value of an option is passed on.
 *
 * - `plain`: as it is; it concerns the container and its machine alone, or is checked by the command.
 * - `env`: a variable, whose value the caller is asked for where there is none.
 * - `env-file`: a path of a file of variables that the caller opens, and is asked for those without a value.
 * - `file`: a path of a file that the caller opens to be read.
 * - `image`: the same, or `-` for standard input.
 * - `new-file`: a path of a file that the caller makes.
 * - `volume`, `mount`: with a host path that the caller opens.
 * - `publish`: a port of the host that any user may listen on.
 * - `log`: bounds of a log, no greater than {@link mostOfLog}.
 * - `own`: says what is so anyway, and is left out.
 * - `caller`: the caller's own process does it, and it is left out.
 * - a list: one of these values.
 */
export type Passing =
  | 'plain'
  | 'env'
  | 'env-file'
  | 'file'
  | 'image'
  | 'new-file'
  | 'volume'
  | 'mount'
  | 'publish'
  | 'log'
  | 'own'
  | 'caller'
  | readonly string[]

export type AllowedOptions = Readonly<Record<string, Passing>>

/** A member's log. It is on a disk of the host that root and all members share. */
export const mostOfLog: LogBounds = { maxBytes: 100 * 2 ** 20, maxFiles: 10 }

const always: AllowedOptions = { format: 'plain', runDir: 'own', stateDir: 'own', resultFile: 'caller' }

const run: AllowedOptions = {
  interactive: 'plain',
  tty: 'plain',
  rm: 'plain',
  restart: 'plain',
  // A program of kata-ts's own, in the container.
  init: 'plain',
  name: 'plain',
  label: 'plain',
  labelFile: 'file',
  cidfile: 'new-file',
  image: 'image',
  memory: 'plain',
  memorySwap: 'plain',
  cpus: 'plain',
  machineMemory: 'plain',
  vcpus: 'plain',
  pidsLimit: 'plain',
  volume: 'volume',
  mount: 'mount',
  env: 'env',
  envFile: 'env-file',
  entrypoint: 'plain',
  user: 'plain',
  // In the container: on the host his volumes know no id but his own.
  groupAdd: 'plain',
  workdir: 'plain',
  readOnly: 'plain',
  // Not a namespace of the host's. What the network of a container reaches, his own processes reach, too.
  network: ['none', 'bridge'],
  publish: 'publish',
  // The kernel gives away no port that only root may listen on.
  publishAll: 'plain',
  expose: 'plain',
  allow: 'plain',
  denyAll: 'plain',
  // Not --tls-verify: what is pulled has a name that others use.
  pull: 'plain',
  quiet: 'plain',
  platform: 'plain',
  healthCmd: 'plain',
  healthInterval: 'plain',
  healthTimeout: 'plain',
  healthRetries: 'plain',
  healthStartPeriod: 'plain',
  healthStartInterval: 'plain',
  healthcheck: 'plain',
  hostname: 'plain',
  logOpt: 'log',
  stopSignal: 'plain',
  stopTimeout: 'plain',
  capDrop: 'plain',
  securityOpt: ['no-new-privileges', 'no-new-privileges:true', 'no-new-privileges=true'],
  ulimit: 'plain',
  tmpfs: 'plain',
  addHost: 'plain',
  dns: 'plain',
  dnsSearch: 'plain',
  dnsOption: 'plain',
  shmSize: 'plain',
}

/** The options of a command in the foreground. */
const foreground: AllowedOptions = {
  detach: 'plain',
  detachKeys: 'plain',
  attach: 'plain',
  sigProxy: 'plain',
}

const stop: AllowedOptions = { timeout: 'plain', time: 'plain', signal: 'plain' }

const commands: Readonly<Record<string, AllowedOptions>> = {
  run: { ...run, ...foreground },
  create: run,
  // Without credentials, his or root's: what is pulled is everybody's.
  pull: { quiet: 'plain' },
  images: { quiet: 'plain', digests: 'plain', all: 'plain', filter: 'plain', trunc: 'plain' },
  exec: {
    interactive: 'plain',
    tty: 'plain',
    detach: 'plain',
    detachKeys: 'plain',
    execId: 'plain',
    env: 'env',
    envFile: 'env-file',
    user: 'plain',
    workdir: 'plain',
  },
  // Not --all-namespaces: other namespaces are those of other users.
  ps: {
    all: 'plain',
    running: 'plain',
    filter: 'plain',
    quiet: 'plain',
    last: 'plain',
    latest: 'plain',
    trunc: 'plain',
  },
  attach: { detachKeys: 'plain', stdin: 'plain', sigProxy: 'plain' },
  // Not --boot, which starts what is others'.
  start: { attach: 'plain', interactive: 'plain', detachKeys: 'plain' },
  stop,
  restart: stop,
  kill: { signal: 'plain', all: 'plain', execId: 'plain' },
  wait: { condition: 'plain' },
  pause: {},
  unpause: {},
  update: { memory: 'plain', cpus: 'plain', pidsLimit: 'plain', restart: 'plain' },
  rename: {},
  port: {},
  events: { since: 'plain', until: 'plain', filter: 'plain' },
  rm: { force: 'plain', volumes: 'plain' },
  logs: {
    follow: 'plain',
    tail: 'plain',
    since: 'plain',
    until: 'plain',
    timestamps: 'plain',
    names: 'plain',
  },
  top: {},
  stats: { stream: 'plain' },
  // As docker's `container inspect` has it.
  inspect: { full: 'plain', type: ['container'] },
}

export const allowedCommands: readonly string[] = Object.keys(commands)

/**
 * Words that root adds to a command. A pull has no credentials, as an image that needs some is not one for everybody. The service's own
 * variables are nobody's: `restrict` has asked the caller for his. And a name that is no container's is not looked for among images, whose
 * configuration `history` does not show to members either.
 */
export function addedWords(command: string): readonly string[] {
  if (command === 'inspect') return ['--type=container']
  return [
    ...(['run', 'create', 'pull'].includes(command) ? ['--authfile='] : []),
    ...(['run', 'create', 'exec'].includes(command) ? ['--no-caller-env'] : []),
  ]
}

/** The options of a command, by commander's names for them; undefined for a command that is refused. */
export function allowedOptions(command: string): AllowedOptions | undefined {
  return Object.hasOwn(commands, command) ? { ...always, ...commands[command] } : undefined
}
