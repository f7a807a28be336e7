/** From the words of a command line to an exit code. */
import { statSync, writeSync } from 'node:fs'
import { resolve } from 'node:path'
import { KataError } from '../errors.ts'
import { requireRootsDirectory } from '../linux/files/roots-directory.ts'
import { ownPrefix } from '../linux/processes/own-program.ts'
import { createLogger, type LogLevel } from '../log.ts'
import { plainLines } from '../plain-text.ts'
import { sandboxPaths } from '../sandbox/records/paths.ts'
import type { Cli, GlobalOptions } from './commands/command.ts'
import { withPlainFlags } from './flag-values.ts'
import { commandIn, withoutGroupWord } from './group-words.ts'
import { parseFormat } from './output/format.ts'
import { ResultFile } from './output/result-file.ts'
import { checkName } from './parse/name.ts'
import { parseChoice } from './parse/number.ts'
import { buildProgram, UsageError } from './program.ts'
import type { SelfCommand, Settings } from './settings.ts'

/** The process's input from outside. */
export interface Surroundings {
  /** Path of the script, or of the module inside the executable. */
  readonly script: string
  readonly execPath: string
  readonly env: Readonly<Record<string, string | undefined>>
}

const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

/** Commands that exit with the code of a command in a container: 1 is not an error of kata-ts. */
const containerCommands: ReadonlySet<string> = new Set(['run', 'create', 'exec'])

/** Runs one command. All errors end here, and are noted in `result`. `gone` fires when its user has gone. */
export async function runCli(
  words: readonly string[],
  surroundings: Surroundings,
  result = new ResultFile(),
  gone?: AbortSignal,
): Promise<number> {
  let exitCode = 0
  const plainWords = withoutGroupWord(words)
  const cli: Cli = {
    settings: (options) => {
      if (options.resultFile !== '') result.open(options.resultFile)
      return settingsOf(options, surroundings, result, gone)
    },
    finish: (code) => {
      exitCode = code
    },
    print: (text) => writeAll(1, text),
    tell,
    async throughService(settings) {
      const { throughService } = await import('./service/client.ts')
      return throughService(settings, argv, result)
    },
    again: (more, into, left) => runCli(more, surroundings, into, left),
  }
  const program = buildProgram(cli, commandIn(plainWords))
  const argv = withPlainFlags(program, plainWords)
  try {
    await program.parseAsync([...argv], { from: 'user' })
    result.write(exitCode)
    return exitCode
  } catch (error) {
    // Help and version end with 0; they have printed already.
    if (error instanceof UsageError && error.exitCode === 0) return 0
    const [{ exitCodeOf, exitCodeOfCommand }, { explain }] = await Promise.all([
      import('./exit-code.ts'),
      import('./explain.ts'),
    ])
    const told = error instanceof UsageError ? error.coded : error
    tell(explain(told))
    const endsAsContainer = containerCommands.has(commandIn(argv) ?? '')
    const exitCode = endsAsContainer ? exitCodeOf(told) : exitCodeOfCommand(told)
    return noted(result, told, { exitCode, file: program.opts().resultFile })
  }
}

/** Notes the error that ended the command, also where the command line was not understood to its end. */
function noted(
  result: ResultFile,
  error: unknown,
  { exitCode, file }: { exitCode: number; file: string | undefined },
): number {
  try {
    if (file !== undefined) result.open(file)
    result.error(error)
    result.write(exitCode)
  } catch {
    // The person was told, and the exit code says that it failed.
  }
  return exitCode
}

function settingsOf(
  options: GlobalOptions,
  { script, execPath, env }: Surroundings,
  result: ResultFile,
  gone: AbortSignal | undefined,
): Settings {
  const level = parseChoice(options.logLevel, '--log-level', levels)
  const namespace = checkName(options.namespace, 'namespace')
  const runDir = directoryOf(options.runDir, '--run-dir')
  // Refuses a name that the runtime uses for itself, before anything is made under it.
  sandboxPaths(runDir, namespace, 'x')
  return {
    namespace,
    runDir,
    stateDir: directoryOf(options.stateDir, '--state-dir'),
    ...parseFormat(options.format),
    debug: level === 'debug',
    log: createLogger({ level }),
    self: selfCommand(execPath, script),
    env,
    print: (text) => writeAll(1, text),
    tell: (text) => {
      result.told(text)
      tell(text)
    },
    note: (error) => result.error(error),
    gone,
  }
}

/** Absolute: the shim has another working directory. @throws KataError OPTION_INVALID, PRIVATE_DIR_PARENT_UNSAFE. */
function directoryOf(path: string, option: string): string {
  const refused = () => new KataError('OPTION_INVALID', { option, value: path, allowed: 'a directory' })
  if (path === '') throw refused()
  const absolute = resolve(path)
  // Root does what it finds written there.
  requireRootsDirectory(absolute)
  // A list would be empty, and a container would be made that cannot start. Others than root may not be allowed to look.
  const isRoot = process.getuid?.() === 0
  if (isRoot && statSync(absolute, { throwIfNoEntry: false })?.isDirectory() === false) throw refused()
  return absolute
}

/** How this very program is started again, compiled or from source. */
function selfCommand(execPath: string, script: string): SelfCommand {
  return { program: execPath, prefix: ownPrefix(script) }
}

function tell(text: string): void {
  try {
    writeAll(2, `kata-ts: ${plainLines(text)}\n`)
  } catch {
    // No reader is left for a message; the exit code has to do.
  }
}

/** False when the reader has left. @throws KataError OUTPUT_FAILED. */
function writeAll(fd: number, text: string): boolean {
  const bytes = Buffer.from(text)
  for (let offset = 0; offset < bytes.length; ) {
    try {
      offset += writeSync(fd, bytes, offset)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      // `| head`: the reader has ended.
      if (code === 'EPIPE') return false
      if (code !== 'EAGAIN') throw new KataError('OUTPUT_FAILED', { errno: String(code) }, { cause: error })
      Bun.sleepSync(1)
    }
  }
  return true
}
