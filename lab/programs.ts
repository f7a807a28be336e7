/** Programs of a user's that the tests take in place of their doubles: named on the command line, carried into the lab host. */
import { createHash } from 'node:crypto'
import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { HypervisorDriver } from '../src/config/config.ts'
import { describeError } from '../src/errors.ts'
import { mustInLab, sshArguments } from './machine/ssh.ts'

interface Known {
  readonly driver: HypervisorDriver
  /** Tells the tests where it is. */
  readonly variable: string
}

const known: Readonly<Record<string, Known>> = {
  'cloud-hypervisor': { driver: 'clh', variable: 'KATA_TS_CLOUD_HYPERVISOR' },
  firecracker: { driver: 'firecracker', variable: 'KATA_TS_FIRECRACKER' },
  jailer: { driver: 'firecracker', variable: 'KATA_TS_JAILER' },
}

export interface Program {
  readonly name: string
  /** An absolute path on this machine. */
  readonly file: string
}

export interface Programs {
  readonly driver: HypervisorDriver
  readonly programs: readonly Program[]
}

const usage = `Name programs of one VMM as NAME=FILE: cloud-hypervisor=FILE, or firecracker=FILE jailer=FILE`

/** Reads `NAME=FILE` words. @throws Error that names the word and what is allowed. */
export function parsePrograms(words: readonly string[]): Programs {
  const programs = words.map(parseProgram)
  const chosen = new Set(programs.map(({ name }) => known[name]!.driver))
  const [driver] = chosen
  if (driver === undefined || chosen.size > 1) throw new Error(`${usage}.`)
  const wanted = Object.keys(known).filter((name) => known[name]!.driver === driver)
  const missing = wanted.filter((name) => !programs.some((program) => program.name === name))
  if (missing.length > 0) throw new Error(`${missing.join(', ')} is missing. ${usage}.`)
  if (programs.length > wanted.length) throw new Error(`A program is named twice. ${usage}.`)
  return { driver, programs }
}

function parseProgram(word: string): Program {
  const at = word.indexOf('=')
  const name = word.slice(0, at)
  if (known[name] === undefined) throw new Error(`"${word}" names no program that is known here. ${usage}.`)
  const file = resolve(word.slice(at + 1))
  try {
    accessSync(file, constants.X_OK)
  } catch (error) {
    throw new Error(`${name}: ${file} cannot be executed: ${describeError(error)}`)
  }
  if (!statSync(file).isFile()) throw new Error(`${name}: ${file} is not a file.`)
  return { name, file }
}

/** /usr/local is where a user puts a program that no package brought. */
const placeOf = (name: string): string => `/usr/local/bin/${name}`

/** What tells the tests in the lab host where the programs are. */
export const variablesOf = ({ programs }: Programs): Record<string, string> =>
  Object.fromEntries(programs.map(({ name }) => [known[name]!.variable, placeOf(name)]))

/**
 * Puts it into the lab host and runs it there.
 *
 * @returns The first line of its `--version`.
 * @throws Error when it does not arrive whole, or cannot run there.
 */
export async function putProgram({ name, file }: Program): Promise<string> {
  const place = placeOf(name)
  const write = `cat >${place}.new && chmod 755 ${place}.new && mv ${place}.new ${place}`
  const child = Bun.spawn(sshArguments(write), { stdin: Bun.file(file), stdout: 'ignore', stderr: 'pipe' })
  const [code, words] = await Promise.all([child.exited, new Response(child.stderr).text()])
  if (code !== 0) throw new Error(`${file} cannot be put into the lab host: ${words.trim()}`)
  const sum = createHash('sha256').update(readFileSync(file)).digest('hex')
  await mustInLab(`echo '${sum}  ${place}' | sha256sum --check --quiet`)
  const [version = ''] = (await mustInLab(`${place} --version`)).split('\n')
  return version
}
