/** The lab host as a process of this machine: started, waited for, ended. */
import {
  appendFileSync,
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { isAlive, type ProcessRef, processRef } from '../../src/linux/processes/proc.ts'
import { waitGone } from '../../src/linux/processes/signal.ts'
import { makeSparse } from '../image/disk.ts'
import { askedRelease, bootFiles, forgetOlderKernels } from '../image/kernel.ts'
import { paths } from '../paths.ts'
import { machineArguments } from './machine.ts'
import { sshArguments } from './ssh.ts'
import { Stall } from './stall.ts'

const memoryMiB = 8192
const cpus = 2
const spareBytes = 256 * 2 ** 20
/** Room for what is carried in. */
const parcelBytes = 2 * 2 ** 30

/** The lab host's QEMU; undefined when none runs. A number that another process has by now is none. */
export function runningLab(): ProcessRef | undefined {
  if (!existsSync(paths.process)) return undefined
  const process = JSON.parse(readFileSync(paths.process, 'utf8')) as ProcessRef
  return isAlive(process) ? process : undefined
}

/** Starts it and waits until it can be logged in. @throws LabHostDied, LabHostSilent; KataError IMAGE_TOOL_*, SetupError for an older kernel. */
export async function startLab(): Promise<void> {
  if (!existsSync(paths.copy)) copyDisk()
  const boot = await bootFiles(askedRelease(process.env))
  for (const path of [paths.spareDisk, paths.spareNvme, paths.spareVirtio])
    if (!existsSync(path)) makeSparse(path, spareBytes)
  makeSparse(paths.parcel, parcelBytes)
  keepLogs()
  const port = freePort()
  writeFileSync(paths.port, String(port))
  const log = openSync(paths.vmmLog, 'w', 0o600)
  const argv = ['setsid', 'qemu-system-x86_64', ...machineArguments({ port, memoryMiB, cpus, boot })]
  const child = Bun.spawn(argv, { stdin: 'ignore', stdout: log, stderr: log })
  closeSync(log)
  void child.exited.then(() => noteEnd(child))
  child.unref()
  const started = processRef(child.pid)
  if (started === undefined) throw new LabHostDied(`QEMU ended at once: ${lastWords()}`)
  writeFileSync(paths.process, JSON.stringify(started))
  await waitForLogin(started)
}

/** Those of the lab host before, whose end may be still to be explained, under `NAME.before`. */
function keepLogs(): void {
  for (const path of [paths.console, paths.vmmLog, paths.resets])
    if (existsSync(path)) renameSync(path, `${path}.before`)
}

const goneMs = 15_000

/** To be called when a connection broke: a lab host that ended closes its connections a moment before its QEMU is gone. */
export async function whetherLabEnded(): Promise<void> {
  const lab = runningLab()
  if (lab !== undefined) await waitGone(lab, goneMs)
}

/** Whether somebody ended it or it ended by itself: for as long as the process that started it is there to see. */
function noteEnd({ exitCode, signalCode }: Bun.Subprocess): void {
  appendFileSync(paths.vmmLog, `QEMU ended: ${signalCode ?? `exit code ${exitCode}`}\n`)
}

/** The disk's own blocks only; a new copy is a lab host as it was built. */
function copyDisk(): void {
  forgetOlderKernels()
  const { exitCode, stderr } = Bun.spawnSync([
    'cp',
    '--sparse=always',
    '--reflink=auto',
    paths.disk,
    paths.copy,
  ])
  if (exitCode !== 0) throw new Error(`the disk of the lab host cannot be copied: ${stderr}`)
}

/** A port of 127.0.0.1 that nobody has at this moment. */
function freePort(): number {
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  const { port } = listener
  listener.stop(true)
  return port
}

/** It ended, most likely by a panic of its kernel. */
export class LabHostDied extends Error {}
/** It lives, and nothing happens in it any more. */
class LabHostSilent extends Error {}

/** As long as its console goes on, however slowly. */
async function waitForLogin(lab: ProcessRef): Promise<void> {
  const stall = new Stall(lab.pid)
  for (;;) {
    const { exitCode } = Bun.spawnSync(sshArguments('true', { connectTimeoutS: 20 }))
    if (exitCode === 0) return
    if (!isAlive(lab)) throw new LabHostDied(`the lab host ended in its boot: ${lastWords()}`)
    const reason = stall.reason(sizeOf(paths.console))
    if (reason !== undefined) throw new LabHostSilent(`the lab host came to a halt in its boot: ${reason}`)
    await Bun.sleep(500)
  }
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0

/** The end of what its console and QEMU said. */
export function lastWords(): string {
  const read = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8').trim() : '')
  const panic = /^.*Kernel panic.*$/m.exec(read(paths.console))?.[0]
  const fault = /^Triple fault$/m.test(read(paths.resets)) ? 'a triple fault of its processor' : undefined
  return (
    panic ??
    fault ??
    ([read(paths.console), read(paths.vmmLog)].join('\n').slice(-500).trim() || 'it said nothing')
  )
}

const shutdownMs = 120_000

/** Shuts it down as a host is, or pulls the plug where that takes too long. */
export async function stopLab(): Promise<void> {
  const lab = runningLab()
  if (lab === undefined) return
  Bun.spawnSync(sshArguments('systemctl poweroff', { connectTimeoutS: 20 }))
  const deadline = Date.now() + shutdownMs
  while (isAlive(lab) && Date.now() < deadline) await Bun.sleep(200)
  await cutPower()
}

/** Ends it as a power cut does: what it had not written to its disk is lost. */
export async function cutPower(): Promise<void> {
  const lab = runningLab()
  if (lab !== undefined) process.kill(lab.pid, 'SIGKILL')
  while (lab !== undefined && isAlive(lab)) await Bun.sleep(50)
  rmSync(paths.process, { force: true })
}
