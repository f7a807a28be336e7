/** Builds every command in the same way: the global options, one example, and one path to an exit code. */
import { Command, Option } from 'commander'
import { KataError } from '../../errors.ts'
import { refuseTemplate } from '../output/format.ts'
import type { ResultFile } from '../output/result-file.ts'
import { defaultNamespace, defaultStateDir, type Settings } from '../settings.ts'

export interface GlobalOptions {
  readonly namespace: string
  readonly runDir: string
  readonly stateDir: string
  readonly logLevel: string
  readonly format: string
  readonly resultFile: string
}

/** The parts of the program that a command uses. */
export interface Cli {
  settings(options: GlobalOptions): Settings
  /** Sets the exit code of the whole program; 0 unless set. */
  finish(code: number): void
  /** Writes to standard output. */
  print(text: string): void
  /** Tells the person something on standard error. */
  tell(text: string): void
  /** Has the service run this command line, when there is one; its exit code, or undefined without a service. */
  throughService(settings: Settings): Promise<number | undefined>
  /** Runs another command line in this process; its exit code. `result` is told of its errors, and `gone` fires when its user has gone. */
  again(argv: readonly string[], result: ResultFile, gone: AbortSignal): Promise<number>
}

const globalOptions = [
  ['--namespace <name>', 'containers of different namespaces do not see each other', defaultNamespace],
  ['--run-dir <dir>', 'run-time state, shared with the shim', '/run/kata-ts'],
  ['--state-dir <dir>', 'container records and logs', defaultStateDir],
  ['--log-level <level>', 'debug, info, warn or error; logs go to standard error', 'warn'],
  ['--format <format>', 'text or json, where data is printed; lists and inspect take templates, too', 'text'],
  [
    '--result-file <file>',
    'write exit code, errors and warnings to this file as JSON; it must not exist',
    '',
  ],
] as const

/** What the help of a command says of them. */
const optionsOfAll = `See \`kata-ts --help\` for the options of all commands,
${globalOptions.map(([flags]) => flags.split(' ')[0]).join(', ')}.`

export interface CommandText {
  /** Name and arguments: `kill <name...>`. */
  readonly usage: string
  readonly summary: string
  /** An example to type, without `kata-ts`. */
  readonly example: string
  /** Other words for it, which no list of commands shows. */
  readonly aliases?: readonly string[] | undefined
}

/** What docker's groups of commands take, too, and a list by either of its words. */
export const aliasesOf = (verb: string): readonly string[] =>
  ({ ls: ['list'], list: ['ls'], status: ['ls', 'list'], rm: ['remove'] })[verb] ?? []

/** By its name or an alias. */
export const isCalled = (command: Command, word: string): boolean =>
  command.name() === word || command.aliases().includes(word)

/** A command without an action yet. */
export function describe({ usage, summary, example, aliases = [] }: CommandText): Command {
  const [name = '', ...args] = usage.split(' ')
  const command = new Command(name)
    .summary(summary)
    .description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`)
  for (const arg of args) command.argument(arg)
  command.aliases(aliases)
  command.addHelpText('after', `\nExample:\n  $ kata-ts ${example}\n\n${optionsOfAll}`)
  return command
}

export const allCommandsGroup = 'Options of all commands:'

/** Adds the options that every command has, behind its own. Without defaults here, so that a value given before the name is kept. */
export function withGlobals(command: Command): Command {
  command.optionsGroup(allCommandsGroup)
  // A command may have one of them with words of its own.
  const own = new Set(command.options.map(({ long }) => long))
  for (const [flags, description, value] of globalOptions)
    if (!own.has(flags.split(' ')[0]))
      command.option(flags, value === '' ? description : `${description} (default: ${value})`)
  command.optionsGroup('Options:')
  return command
}

/** Where commands differ. */
interface CommandTraits {
  /** `--format` may be a template. */
  readonly takesTemplate?: true
}

type Run<Options> = (settings: Settings, options: Options, args: string[]) => Promise<number | undefined>

/**
 * Gives `command` its action; its result is the exit code. The global options may come before the command's name
 * or among its own.
 */
export function action<Options>(
  command: Command,
  cli: Cli,
  run: Run<Options>,
  traits: CommandTraits = {},
): Command {
  withGlobals(command)
  return command.action(async () => {
    const defaults = Object.fromEntries(
      globalOptions.map(([flags, , value]) => [camelCase(flags.split(' ')[0]!), value]),
    )
    const given = { ...defaults, ...command.parent?.opts(), ...topOf(command).opts(), ...command.opts() }
    refuseEmptyPaths(command)
    const settings = cli.settings(given as unknown as GlobalOptions)
    if (traits.takesTemplate !== true) refuseTemplate(settings.template)
    cli.finish((await run(settings, command.opts() as Options, command.args)) ?? 0)
  })
}

/** The same for a command that reads or changes what is root's; for others the service does it. @throws KataError NOT_ROOT, SERVICE_UNREACHABLE. */
export function rootAction<Options>(
  command: Command,
  cli: Cli,
  run: Run<Options>,
  traits: CommandTraits = {},
): Command {
  const asRoot: Run<Options> = async (settings, options, args) => {
    if (process.getuid?.() === 0) return run(settings, options, args)
    const code = await cli.throughService(settings)
    if (code === undefined) throw new KataError('NOT_ROOT', { what: wordsOf(command) })
    return code
  }
  return action<Options>(command, cli, asRoot, traits)
}

/** As in docker, an empty --workdir is the image's. The service has a member's pull read no credentials by an empty --authfile. */
const mayBeEmpty: readonly string[] = ['--workdir', '--authfile']

/**
 * An empty path usually comes from an unset variable. It would mean the working directory, or no file at all.
 *
 * @throws KataError OPTION_INVALID.
 */
function refuseEmptyPaths(command: Command): void {
  for (let at: Command | null = command; at !== null; at = at.parent)
    for (const option of at.options) {
      const values = [at.getOptionValue(option.attributeName())].flat()
      const isPath =
        /<(?:file|dir|path)(?:\[[^\]]*\])?>$/.test(option.flags) && !mayBeEmpty.includes(option.long!)
      if (isPath && values.includes(''))
        throw new KataError('OPTION_INVALID', { option: option.long!, value: '', allowed: 'a path' })
    }
  for (const [index, argument] of command.registeredArguments.entries())
    if (argument.name() === 'file' && command.args[index] === '')
      throw new KataError('OPTION_INVALID', { option: command.name(), value: '', allowed: 'a path' })
}

/** `kata-ts network ls`. */
function wordsOf(command: Command): string {
  return command.parent === null ? command.name() : `${wordsOf(command.parent)} ${command.name()}`
}

function topOf(command: Command): Command {
  return command.parent === null ? command : topOf(command.parent)
}

function camelCase(flag: string): string {
  return flag.replace(/^--/, '').replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
}

/** The environment of this process is not that of the user for whom it runs. */
export const noCallerEnv = (): Option =>
  new Option('--no-caller-env', 'from the service: KEY has no variable to pass on').hideHelp()

/** Collects a repeatable option. */
export function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value]
}

/** Refuses different values of an option that docker takes several times: the last value would hide the others. @throws KataError OPTION_CONFLICT. */
export const one =
  (option: string, reason: string) =>
  (value: string, previous: string | undefined): string => {
    if (previous === undefined || previous === value) return value
    throw new KataError('OPTION_CONFLICT', {
      options: `${option} ${previous} and ${option} ${value}`,
      reason,
      remedy: 'Give one of them.',
    })
  }
