/**
 * `npm run lab`: a Debian 13 host in a virtual machine, with systemd, cgroup v2 and a real /dev/kvm, and kata-ts installed on it
 * as a user would. Only this machine reaches it, and it reaches nothing.
 *
 *   npm run lab                     builds it where it is not built, boots it, installs this checkout's kata-ts
 *   npm run lab -- run COMMAND      the same, and runs a command line there
 *   npm run lab -- vmm NAME=FILE... the suite of `npm run test:vmm` there, over VMM programs of yours; see ./vmm.ts
 *   npm run lab -- bench ARGUMENT... what `npm run bench -- ARGUMENT...` does, there; see ./bench.ts
 *   npm run lab -- shell            a root shell there
 *   npm run lab -- stop             shuts it down; what changed on its disk stays
 *   npm run lab -- fresh            throws away what changed, then as without a word
 *   npm run lab -- remove           shuts it down and removes all of it from this machine
 */
import { rmSync } from 'node:fs'
import { describeError } from '../src/errors.ts'
import { createProgress } from '../src/guest-image/progress.ts'
import { bench } from './bench.ts'
import { runningLab, stopLab } from './machine/host.ts'
import { sshArguments } from './machine/ssh.ts'
import { labDir } from './paths.ts'
import { up } from './up.ts'
import { parseVmmRequest, testVmm, type VmmRequest } from './vmm.ts'

const [command = 'up', ...rest] = process.argv.slice(2)
const progress = createProgress(process.stderr)

const commands: Readonly<Record<string, () => Promise<number>>> = {
  async up() {
    await up(progress)
    console.error('the lab host runs: npm run lab -- run COMMAND, -- shell, -- stop, -- remove')
    return 0
  },
  async fresh() {
    await up(progress, { fresh: true })
    return 0
  },
  async run() {
    if (rest.length === 0) return usage('run needs a command')
    await up(progress)
    return attach(sshArguments(rest.join(' ')))
  },
  async vmm() {
    let request: VmmRequest
    try {
      request = parseVmmRequest(rest)
    } catch (error) {
      return usage(describeError(error))
    }
    return testVmm(request, progress)
  },
  async bench() {
    return bench(rest, progress)
  },
  async shell() {
    await up(progress)
    return attach(sshArguments())
  },
  async stop() {
    if (runningLab() === undefined) console.error('the lab host does not run')
    await stopLab()
    return 0
  },
  async remove() {
    await stopLab()
    rmSync(labDir, { recursive: true, force: true })
    console.error('the lab host is removed')
    return 0
  },
}

const action = commands[command]
try {
  process.exitCode = action === undefined ? usage(`unknown command ${command}`) : await action()
} catch (error) {
  progress.end('failed')
  console.error(`lab: ${describeError(error)}`)
  process.exitCode = 1
}

function usage(what: string): number {
  console.error(`${what}; known are: ${Object.keys(commands).join(', ')} (npm run lab -- COMMAND)`)
  return 2
}

/** Runs ssh with our streams; its exit code is that of the command there. */
async function attach(argv: string[]): Promise<number> {
  return Bun.spawn(argv, { stdin: 'inherit', stdout: 'inherit', stderr: 'inherit' }).exited
}
