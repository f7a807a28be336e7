/** Loads a module of the agent on the host, with doubles of its native modules and a directory of the test in place of the share. */
import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { BunPlugin } from 'bun'

const native = join(import.meta.dir, 'native.double.ts')
const sources = join(import.meta.dir, '..')

export interface OnHost<Module> {
  readonly module: Module
  /** Lines on the console. */
  readonly said: readonly string[]
  /** Mounts that were asked for and were not taken away. */
  readonly mounts: readonly string[]
  /** Processes that were asked for. */
  readonly started: readonly string[]
  /** Children whose ends the test puts here, with their exit codes. */
  readonly ended: [pid: number, code: number][]
}

/**
 * `path` is from guest/agent/src, and so are those of modules that have the texts in `replaced` instead of their own. Containers' files lie in `directory`, which the bundle is written beside. `machine` is in the
 * place of the root for what the kernel shows of the machine, default the host's.
 */
export async function loadOnHost<Module>(
  path: string,
  directory: string,
  machine = '',
  replaced: Readonly<Record<string, string>> = {},
): Promise<OnHost<Module>> {
  const plugin: BunPlugin = {
    name: 'on the host',
    setup(build) {
      // By its text, as Bun resolves `os` itself.
      build.onLoad({ filter: /\/guest\/agent\/src\/.*\.ts$/ }, ({ path: file }) => ({
        contents: (replaced[relative(sources, file)] ?? readFileSync(file, 'utf8'))
          .replace(/ from '(syscalls|os|std)'/g, ` from ${JSON.stringify(native)}`)
          .replace(/(containersDirectory = )`.*`/, `$1${JSON.stringify(directory)}`)
          .replace(
            /'\/run\/(kata-containers|sandbox-ns|layers|clear-memory)'/g,
            JSON.stringify(`${directory}.$1`),
          )
          .replace(/'\/(?=(?:sys|proc\/sys)\/|proc\/meminfo|lib\/modules)/g, `'${machine}/`),
        loader: 'ts',
      }))
    },
  }
  const entry = `${directory}.entry.ts`
  await Bun.write(
    entry,
    `export * as module from ${JSON.stringify(join(sources, path))}\nexport { said, mounts, started, ended } from ${JSON.stringify(native)}\n`,
  )
  const { outputs } = await Bun.build({ entrypoints: [entry], target: 'bun', plugins: [plugin] })
  const bundle = await outputs[0]!.text()
  // Else the test would work on the directory of that name on the host.
  if (
    bundle.includes('containersDirectory') &&
    !bundle.includes(`containersDirectory = ${JSON.stringify(directory)}`)
  )
    throw new Error(`${path} was not given the directory of the test`)
  await Bun.write(`${directory}.bundle.js`, bundle)
  return await import(`${directory}.bundle.js`)
}
