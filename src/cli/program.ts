/** The command table. The code of a command is loaded when the command runs. */
import { Command, type CommanderError } from 'commander'
import { KataError } from '../errors.ts'
import { version } from '../version.ts'
import { auditCommand } from './commands/audit.ts'
import { checkCommand } from './commands/check.ts'
import { type Cli, withGlobals } from './commands/command.ts'
import { completionCommand } from './commands/completion.ts'
import { configCommand } from './commands/config.ts'
import { cpCommand } from './commands/cp.ts'
import { directVolumeCommand } from './commands/direct-volume.ts'
import { envCommand } from './commands/env.ts'
import { execCommand } from './commands/exec.ts'
import { factoryCommand } from './commands/factory.ts'
import { gcCommand } from './commands/gc.ts'
import { guestCommand } from './commands/guest.ts'
import { helpCommand, helpOrder } from './commands/help.ts'
import { historyCommand, loadCommand, saveCommand, tagCommand } from './commands/image/archive.ts'
import { diffCommand, exportCommand } from './commands/image/files.ts'
import { commitCommand, importCommand } from './commands/image/new-image.ts'
import { imagesCommand, pruneCommand, pullCommand, rmiCommand } from './commands/images.ts'
import { inspectCommand } from './commands/inspect.ts'
import { attachCommand } from './commands/lifecycle/attach.ts'
import { killCommand } from './commands/lifecycle/kill.ts'
import { pauseCommand, unpauseCommand } from './commands/lifecycle/pause.ts'
import { renameCommand } from './commands/lifecycle/rename.ts'
import { restartCommand } from './commands/lifecycle/restart.ts'
import { rmCommand } from './commands/lifecycle/rm.ts'
import { startCommand } from './commands/lifecycle/start.ts'
import { stopCommand } from './commands/lifecycle/stop.ts'
import { forkCommand, resumeCommand, suspendCommand } from './commands/lifecycle/suspend.ts'
import { updateCommand } from './commands/lifecycle/update.ts'
import { waitCommand } from './commands/lifecycle/wait.ts'
import { logsCommand } from './commands/logs.ts'
import { eventsCommand } from './commands/look/events.ts'
import { portCommand } from './commands/look/port.ts'
import { statsCommand } from './commands/look/stats.ts'
import { infoCommand, systemCommand } from './commands/look/system.ts'
import { topCommand } from './commands/look/top.ts'
import { monitorCommand } from './commands/monitor.ts'
import { networkCommand } from './commands/network.ts'
import { psCommand } from './commands/ps.ts'
import { createCommand, runCommand } from './commands/run.ts'
import { serviceCommand, serviceWorkerCommand } from './commands/service.ts'
import { snapshotCommand } from './commands/snapshot.ts'
import { versionCommand } from './commands/version.ts'
import { volumeCommand } from './commands/volume.ts'
import { inPlaceOf } from './docker-words.ts'
import { groupOf } from './groups.ts'

/** By its name. */
const commands: Readonly<Record<string, (cli: Cli) => Command>> = {
  run: runCommand,
  create: createCommand,
  exec: execCommand,
  ps: psCommand,
  attach: attachCommand,
  start: startCommand,
  stop: stopCommand,
  restart: restartCommand,
  kill: killCommand,
  wait: waitCommand,
  pause: pauseCommand,
  unpause: unpauseCommand,
  suspend: suspendCommand,
  resume: resumeCommand,
  fork: forkCommand,
  snapshot: snapshotCommand,
  update: updateCommand,
  rename: renameCommand,
  rm: rmCommand,
  cp: cpCommand,
  logs: logsCommand,
  top: topCommand,
  stats: statsCommand,
  pull: pullCommand,
  images: imagesCommand,
  rmi: rmiCommand,
  tag: tagCommand,
  history: historyCommand,
  save: saveCommand,
  load: loadCommand,
  commit: commitCommand,
  import: importCommand,
  diff: diffCommand,
  export: exportCommand,
  inspect: inspectCommand,
  port: portCommand,
  events: eventsCommand,
  info: infoCommand,
  system: systemCommand,
  volume: volumeCommand,
  network: networkCommand,
  gc: gcCommand,
  prune: pruneCommand,
  audit: auditCommand,
  check: checkCommand,
  env: envCommand,
  guest: guestCommand,
  factory: factoryCommand,
  config: configCommand,
  'direct-volume': directVolumeCommand,
  version: versionCommand,
}

/** With all commands; or with `only` that one, where there is one of the name: to make them all takes longer than the rest of a command's start. */
export function buildProgram(cli: Cli, only?: string): Command {
  const program = new Command('kata-ts')
    .description('Runs each container in a virtual machine of its own, and each VMM as a throw-away user.')
    .version(version, '-V, --version')
    .enablePositionalOptions()
    .configureHelp(helpOrder)
    // Commander writes only help here; whoever catches a UsageError prints it. A bare `kata-ts` also prints the help.
    .configureOutput({ writeOut: cli.print, writeErr: cli.print, outputError: () => {} })
  overrideExit(program, 'kata-ts')
  withGlobals(program)
  const one = only !== undefined && Object.hasOwn(commands, only) ? commands[only] : undefined
  if (one !== undefined) return program.addCommand(inherit(one(cli), program))
  for (const make of Object.values(commands)) program.addCommand(inherit(make(cli), program))
  program.addCommand(inherit(completionCommand(cli, program), program))
  program.addCommand(inherit(serviceCommand(cli), program))
  program.addCommand(inherit(monitorCommand(cli), program), { hidden: true })
  program.addCommand(
    inherit(
      serviceWorkerCommand(cli, () => buildProgram(inert(cli))),
      program,
    ),
    { hidden: true },
  )
  program.helpCommand(false).addCommand(inherit(helpCommand(program), program))
  for (const command of program.commands) command.helpGroup(groupOf(command.name()))
  return program
}

/** Makes a command table that is only read: a command that ran after all would get no settings. */
function inert(cli: Cli): Cli {
  return {
    ...cli,
    settings() {
      throw new KataError('SERVICE_REFUSED', { what: 'this command' })
    },
    print: () => {},
    tell: () => {},
  }
}

/** A usage error that commander found, with the name of the command. */
export class UsageError extends Error {
  /** 0 when help or version was asked for and printed. */
  readonly exitCode: number
  readonly coded: KataError

  constructor(error: CommanderError, command: string) {
    super(withAdvice(error.message.replace(/^error: /, ''), command), { cause: error })
    // Commander shows the help for a missing subcommand, and then reports an error.
    this.exitCode = error.code === 'commander.help' ? 0 : error.exitCode
    this.coded = new KataError('USAGE', { problem: this.message, command })
  }
}

/** Commander suggests the nearest name on a separate line. Our own advice about a word of docker's replaces that. */
function withAdvice(message: string, command: string): string {
  const [, problem, word] = /^(unknown (?:command|option) '([^']+)')/.exec(message) ?? []
  const better = word === undefined ? undefined : inPlaceOf(word, command.replace('kata-ts ', ''))
  return better === undefined ? message.replace(/\s*\n\s*/g, ' ') : `${problem}: ${better}`
}

function overrideExit(command: Command, words: string): void {
  command.exitOverride((error) => {
    throw new UsageError(error, words)
  })
}

/** Unlike command(), addCommand() does not pass on the parent's settings. */
function inherit(command: Command, parent: Command, words = parent.name()): Command {
  command.copyInheritedSettings(parent)
  const here = `${words} ${command.name()}`
  overrideExit(command, here)
  if (command.commands.length > 0) command.helpCommand(false).addCommand(helpCommand(command))
  for (const child of command.commands) inherit(child, command, here)
  return command
}
