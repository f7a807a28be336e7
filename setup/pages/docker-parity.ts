/** docs/docker-parity.md: docker's commands, the options of `docker run` and of other common commands, each with its counterpart here. */
import { inPlaceOf } from '../../src/cli/docker-words.ts'
import { groupSummary } from '../../src/cli/group-words.ts'
import { documentedProgram } from './man/documented-program.ts'

/** Docker 28's commands, without those of other programs (buildx, compose). */
const dockerCommands =
  'attach build builder checkpoint commit config container context cp create diff events exec export history image images import info inspect kill load login logout logs manifest network node pause plugin port ps pull push rename restart rm rmi run save search secret service stack start stats stop swarm system tag top trust unpause update version volume wait'.split(
    ' ',
  )

/** Commands of ours that have nothing to do with docker's of that name, which are about swarms. */
const ofAnother = ['config', 'service']

/** The options of its `run`, but for Windows' own. */
const dockerRunOptions =
  'add-host annotation attach blkio-weight blkio-weight-device cap-add cap-drop cgroup-parent cgroupns cidfile cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus cpuset-mems detach detach-keys device device-cgroup-rule device-read-bps device-read-iops device-write-bps device-write-iops disable-content-trust dns dns-option dns-search domainname entrypoint env env-file expose gpus group-add health-cmd health-interval health-retries health-start-interval health-start-period health-timeout help hostname init interactive ip ip6 ipc isolation kernel-memory label label-file link link-local-ip log-driver log-opt mac-address memory memory-reservation memory-swap memory-swappiness mount name network network-alias no-healthcheck oom-kill-disable oom-score-adj pid pids-limit platform privileged publish publish-all pull quiet read-only restart rm runtime security-opt shm-size sig-proxy stop-signal stop-timeout storage-opt sysctl tmpfs tty ulimit use-api-socket user userns uts volume volume-driver volumes-from workdir'
    .split(' ')
    .map((name) => `--${name}`)

/** Options of its other common commands. */
const dockerOptions: Readonly<Record<string, string>> = {
  ps: 'all filter format last latest no-trunc quiet size',
  exec: 'detach detach-keys env env-file interactive privileged tty user workdir',
  logs: 'details follow since tail timestamps until',
  start: 'attach checkpoint checkpoint-dir detach-keys interactive',
  stop: 'signal timeout',
  restart: 'signal timeout',
  kill: 'signal',
  attach: 'detach-keys no-stdin sig-proxy',
  update:
    'blkio-weight cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus cpuset-mems memory memory-reservation memory-swap pids-limit restart',
  rm: 'force link volumes',
  cp: 'archive follow-link quiet',
  stats: 'all format no-stream no-trunc',
  inspect: 'format size type',
  images: 'all digests filter format no-trunc quiet tree',
  events: 'filter format since until',
}

/** Words that the command line had at its first comparison with docker's (2026-11-25). None of them may disappear unnoticed. */
const before = {
  commands: 'exec inspect kill logs ps rm run version'.split(' '),
  runOptions:
    'add-host cap-add cap-drop detach device dns env help hostname interactive memory name network pids-limit privileged read-only rm security-opt shm-size sysctl tmpfs tty ulimit user volume workdir'
      .split(' ')
      .map((name) => `--${name}`),
} as const

/** One word of docker's. */
export interface Parity {
  readonly word: string
  readonly isHere: boolean
  /** What it does here, or what to use. */
  readonly text: string
}

export function commandParity(): Parity[] {
  const program = documentedProgram()
  return dockerCommands.map((word) => {
    const command = ofAnother.includes(word)
      ? undefined
      : program.commands.find((candidate) => candidate.name() === word)
    return parity(word, groupSummary(word) ?? command?.summary(), 'kata-ts')
  })
}

export function optionParity(): Parity[] {
  const run = documentedProgram().commands.find((command) => command.name() === 'run')!
  return dockerRunOptions.map((word) => {
    const option = run.options.find(({ long }) => long === word)
    return parity(word, word === '--help' ? 'print the help' : option?.description, 'run')
  })
}

/** The options of {@link dockerOptions}, each with its command in front. */
export function otherOptionParity(): Parity[] {
  const { commands } = documentedProgram()
  return Object.entries(dockerOptions).flatMap(([name, words]) => {
    const command = commands.find((candidate) => candidate.name() === name)!
    return words.split(' ').map((option): Parity => {
      const word = `--${option}`
      const own = command.options.find(({ long }) => long === word)?.description
      const here = own ?? (word === '--format' ? 'text, json, or a template if the help says so' : undefined)
      const advice = inPlaceOf(word, name) ?? ''
      return { word: `${name} ${word}`, isHere: here !== undefined, text: here ?? advice }
    })
  })
}

function parity(word: string, summary: string | undefined, command: string): Parity {
  return { word, isHere: summary !== undefined, text: summary ?? inPlaceOf(word, command) ?? '' }
}

export function dockerParityPage(): string {
  const commands = commandParity()
  const options = optionParity()
  const others = otherOptionParity()
  return `# Docker's commands and options

<!-- Generated by \`npm run docs\` from the command line itself. Do not edit. -->

This page lists docker's commands, the options of \`docker run\`, and those of other common commands, and says which of them \`kata-ts\` has, and what to use
instead of the rest. nerdctl and podman have the same commands and options. [Containers with \`kata-ts run\`](how-to/run.md) explains how to use them. This page is not about
[Docker with kata-ts as its runtime](how-to/docker.md), where you use docker itself.

These commands mean something different here: \`ps\` lists containers in every state, \`top\` runs the container's own \`ps\`, \`config\` shows configuration.toml, and
\`service\` lets members of a group use the command line.

## Commands

${summary(commands, before.commands)}

${table('command', commands)}

## Options of \`run\`

${summary(options, before.runOptions)}

${table('option', options)}

## Options of other commands

${summary(others)}

${table('option', others)}
`
}

/** How many of them there are. @throws Error for a word of `earlier` that is gone. */
function summary(list: readonly Parity[], earlier: readonly string[] = []): string {
  const here = list.filter(({ isHere }) => isHere).map(({ word }) => word)
  const lost = earlier.filter((word) => !here.includes(word))
  if (lost.length > 0) throw new Error(`no longer there: ${lost.join(', ')}`)
  return `${here.length} of ${list.length}.`
}

function table(title: string, list: readonly Parity[]): string {
  const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
  const rows = list.map(
    ({ word, isHere, text }) => `| \`${word}\` | ${isHere ? 'yes' : '–'} | ${cell(text)} |`,
  )
  return [`| ${title} | here | what it does, or what to use |`, '| --- | --- | --- |', ...rows].join('\n')
}
