/** A container in docker's fields, for templates: `{{.Names}}` of `ps`, `{{.State.Status}}` of `inspect`. */
import type { PublishedPort } from '../../bundle/network.ts'
import type { OciSpec } from '../../oci/spec.ts'
import type { Health, HealthCheck } from '../client/life/health-check.ts'
import type { ContainerRecord } from '../client/record.ts'
import type { LiveStatus } from '../client/status.ts'
import { exposedPorts, portName } from '../parse/expose.ts'
import { type Labels, labelsText } from '../parse/labels.ts'
import { type DockerNetworks, networkMode, usualNetwork } from './docker-networks.ts'
import { longDuration } from './duration.ts'
import { addressesOf, placesOf } from './ports.ts'
import { byteSize } from './size.ts'
import { asMap } from './template/rows.ts'

/** A container's facts for `ps`. */
export interface Listed {
  readonly id: string
  readonly status: LiveStatus
  readonly exitCode: number | null
  readonly image: string
  readonly command: readonly string[]
  readonly createdAt: string
  readonly startedAt: string | null
  readonly finishedAt: string | null
  readonly labels: Labels
  readonly volumes: readonly string[]
  readonly ports: readonly PublishedPort[]
  readonly health: Health['status'] | null
  readonly sizeBytes: number | null
}

/** Docker's word for a status of ours. */
const states: Readonly<Record<LiveStatus, string>> = {
  creating: 'created',
  created: 'created',
  running: 'running',
  paused: 'paused',
  restarting: 'restarting',
  // Docker has no word for this. The machine is stopped meanwhile, so the container does not run.
  suspended: 'exited',
  stopped: 'exited',
  dead: 'dead',
  unresponsive: 'running',
}

/** A row of `docker ps`, with the namespace that docker does not have. `now` is in milliseconds. */
export function dockerRow(container: Listed & { readonly namespace: string }, now: number) {
  const { id, namespace, image, command, createdAt, labels, volumes, status } = container
  return {
    ID: id,
    Names: id,
    Namespace: namespace,
    Image: image,
    Command: JSON.stringify(command.join(' ')),
    CreatedAt: createdAt,
    RunningFor: `${longDuration(now - Date.parse(createdAt))} ago`,
    State: states[status],
    Status: statusSentence(container, now),
    Labels: labelsText(labels),
    Mounts: volumes.join(','),
    Ports: portsText(container.ports),
    Health: container.health ?? '',
    Size: container.sizeBytes === null ? '' : byteSize(container.sizeBytes),
    Label: (name: unknown) => (Object.hasOwn(labels, String(name)) ? labels[String(name)] : ''),
  }
}

/** The titles of its columns, for a template that begins with `table`. */
export const dockerTitles: Readonly<Record<keyof ReturnType<typeof dockerRow>, unknown>> = {
  ID: 'CONTAINER ID',
  Names: 'NAMES',
  Namespace: 'NAMESPACE',
  Image: 'IMAGE',
  Command: 'COMMAND',
  CreatedAt: 'CREATED AT',
  RunningFor: 'CREATED',
  State: 'STATE',
  Status: 'STATUS',
  Labels: 'LABELS',
  Mounts: 'MOUNTS',
  Ports: 'PORTS',
  Health: 'HEALTH',
  Size: 'SIZE',
  Label: (name: unknown) => String(name),
}

/** `127.0.0.1:8080->80/tcp`. */
export const portsText = (ports: readonly PublishedPort[]): string =>
  ports.flatMap((port) => placesOf(port).map((place) => `${place}->${portName(port)}`)).join(', ')

/** `Up 5 minutes`, `Exited (0) 2 hours ago`. */
function statusSentence(listed: Listed, now: number): string {
  const { status, exitCode, createdAt, startedAt, finishedAt, health } = listed
  const since = (moment: string | null) => longDuration(now - Date.parse(moment ?? createdAt))
  if (status === 'running' || status === 'unresponsive') return `Up ${since(startedAt)}${healthWords(health)}`
  if (status === 'paused') return `Up ${since(startedAt)} (Paused)`
  if (status === 'dead') return 'Dead'
  if (status === 'suspended') return 'Suspended'
  if (status !== 'stopped' && status !== 'restarting') return 'Created'
  const word = status === 'restarting' ? 'Restarting' : 'Exited'
  return `${word} (${exitCode ?? '?'})${finishedAt === null ? '' : ` ${since(finishedAt)} ago`}`
}

const healthWords = (health: Listed['health']): string =>
  health === null ? '' : ` (${health === 'starting' ? 'health: starting' : health})`

/** A container's facts for `inspect`. */
interface Inspected extends Omit<ContainerRecord, 'status' | 'exitCode' | 'health'> {
  readonly health: Health | null
  readonly healthcheck: HealthCheck | null
  readonly status: LiveStatus
  readonly exitCode: number | null
  readonly oomKilled: boolean
  readonly ports: readonly PublishedPort[]
  readonly sandbox: { readonly vmmPid?: number | undefined } | null
  readonly failure: { readonly message: string } | null
}

/** A container's facts under the names of `docker inspect`, beside our own facts under our names. */
export function dockerFacts<Facts extends Inspected>(
  facts: Facts,
  spec: OciSpec,
  {
    volumes,
    networks,
    logPath,
  }: {
    readonly volumes: readonly NamedMount[]
    readonly networks: DockerNetworks
    /** Empty where no log is kept. */
    readonly logPath: string
  },
) {
  const { id, createdAt, command, image } = facts
  const bindings = dockerPorts(facts.ports)
  const mounts = dockerMounts(spec, volumes)
  return {
    ...facts,
    Id: id,
    Name: id,
    Created: createdAt,
    Path: command[0] ?? '',
    Args: command.slice(1),
    Image: image,
    LogPath: logPath,
    RestartCount: facts.restarts ?? 0,
    State: dockerState(facts),
    Config: dockerConfig(facts, spec),
    HostConfig: {
      AutoRemove: facts.autoRemove,
      Binds: mounts.map(
        ({ Name, Source, Destination, RW }) => `${Name || Source}:${Destination}${RW ? '' : ':ro'}`,
      ),
      NetworkMode: networkMode(networks, spec),
      PortBindings: bindings,
      RestartPolicy: {
        Name: facts.restart?.name ?? 'no',
        MaximumRetryCount: facts.restart?.most ?? 0,
      },
      ReadonlyRootfs: spec.root?.readonly ?? false,
      ...dockerResources(spec),
    },
    NetworkSettings: { ...usualNetwork(networks), Ports: bindings, Networks: networks },
    Mounts: mounts,
  }
}

function dockerState(facts: Inspected) {
  const { status, exitCode, oomKilled, sandbox, failure } = facts
  return {
    Status: states[status],
    Running: ['running', 'paused', 'restarting', 'unresponsive'].includes(status),
    Paused: status === 'paused',
    Restarting: status === 'restarting',
    OOMKilled: oomKilled,
    Dead: status === 'dead',
    Pid: sandbox?.vmmPid ?? 0,
    ExitCode: exitCode ?? 0,
    Error: failure?.message ?? '',
    StartedAt: facts.startedAt ?? '',
    FinishedAt: facts.finishedAt ?? '',
    // Without a check the field is undefined: templates can ask `{{if .State.Health}}`, and JSON leaves it out.
    Health: facts.health === null ? undefined : dockerHealth(facts.health),
  }
}

function dockerConfig(facts: Inspected, { process = {}, hostname }: OciSpec) {
  const exposed = [...exposedPorts(facts.exposed ?? [], []), ...facts.ports].map(portName)
  return {
    Hostname: hostname ?? '',
    User: `${process.user?.uid ?? 0}:${process.user?.gid ?? 0}`,
    Tty: facts.terminal,
    OpenStdin: facts.interactive ?? false,
    Env: process.env ?? [],
    Cmd: facts.command,
    Image: facts.image,
    WorkingDir: process.cwd ?? '/',
    Labels: asMap(facts.labels ?? {}),
    ExposedPorts: Object.fromEntries(exposed.map((port) => [port, {}])),
    StopSignal: facts.stopSignal ?? 15,
    StopTimeout: facts.stopTimeout ?? 10,
    Healthcheck: facts.healthcheck === null ? undefined : dockerCheck(facts.healthcheck),
  }
}

/** The resource limits of `HostConfig`. 0 or empty: no limit. */
function dockerResources({ linux = {} }: OciSpec) {
  const { memory, cpu, pids } = linux.resources ?? {}
  return {
    Memory: memory?.limit ?? 0,
    MemorySwap: memory?.swap ?? 0,
    CpuQuota: cpu?.quota ?? 0,
    CpuPeriod: cpu?.period ?? 0,
    CpuShares: cpu?.shares ?? 0,
    CpusetCpus: cpu?.cpus ?? '',
    NanoCpus: cpu?.quota === undefined ? 0 : Math.round((cpu.quota / (cpu.period ?? 100_000)) * 1e9),
    PidsLimit: pids?.limit ?? 0,
  }
}

function dockerMounts({ mounts = [] }: OciSpec, volumes: readonly NamedMount[]) {
  const named = new Map(volumes.map(({ name, source }) => [source, name]))
  return mounts
    .filter(({ type, source = '' }) => source.startsWith('/') && type !== 'tmpfs')
    .map(({ source = '', destination, options = [] }) => ({
      Type: named.has(source) ? 'volume' : 'bind',
      Name: named.get(source) ?? '',
      Source: source,
      Destination: destination,
      RW: !options.includes('ro'),
    }))
}

function dockerPorts(ports: readonly PublishedPort[]) {
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {}
  for (const port of ports) {
    const found = addressesOf(port).map((address) => ({ HostIp: address, HostPort: `${port.host}` }))
    bindings[portName(port)] = [...(bindings[portName(port)] ?? []), ...found]
  }
  return bindings
}

function dockerHealth({ status, failingStreak, log }: Health) {
  return {
    Status: status,
    FailingStreak: failingStreak,
    Log: log.map(({ start, end, exitCode, output }) => ({
      Start: start,
      End: end,
      ExitCode: exitCode,
      Output: output,
    })),
  }
}

/** Docker's times are in nanoseconds. */
function dockerCheck({ command, intervalMs, timeoutMs, startPeriodMs, ...rest }: HealthCheck) {
  return {
    Test: ['CMD', ...command],
    Interval: intervalMs * 1e6,
    Timeout: timeoutMs * 1e6,
    StartPeriod: startPeriodMs * 1e6,
    StartInterval: rest.startIntervalMs * 1e6,
    Retries: rest.retries,
  }
}

interface NamedMount {
  readonly name: string
  /** Where its files are on the host. */
  readonly source: string
}
