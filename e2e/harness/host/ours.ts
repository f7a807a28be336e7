/**
 * What on this host is kata-ts's, or a test's that drives it: by what we name, own and lease. Everything else is
 * somebody else's, who may come and go while the tests run.
 */
import { readdirSync, readlinkSync, realpathSync } from 'node:fs'
import { listPids, readProc, readStatus, statusHasEnded } from '../../../src/linux/processes/proc.ts'
import { executable, shim } from '../executable.ts'

/** Ids that https://systemd.io/UIDS-GIDS/ gives to nobody; every range that kata-ts or a test takes lies in it. */
export const isOurId = (id: number): boolean => id >= 0x7000_0000 && id < 0x8000_0000

/** `kata-<n>`, or a number of ours. */
export const isOurUser = (text: string): boolean =>
  /^kata-\d+$/.test(text) || (/^\d+$/.test(text) && isOurId(Number(text)))

/** Where sandboxes keep what is theirs: run and state directories, those of tests too. */
const sandboxPlaces =
  /(?:^|[^\w/.-])(?:\/run\/(?:kata-ts|k[tp]-[^/\s]+)|\/var\/lib\/kata-ts(?:-e2e-\w{6})?)(?![\w-])/
/** What tests make beside that: containerd's and Docker's directories, scratch. */
const testPlaces =
  /(?:^|[^\w/.-])(?:\/run\/(?:ctd|dk)-|\/var\/lib\/(?:kata-ts-e2e|kt)-|\/var\/tmp\/kata-ts-|\/run\/kata-ts-)/

/** Whether a text, a command line for instance, names a place of sandboxes or the run directory. */
function namesSandbox(text: string, runDir: string): boolean {
  const privateDirs = [...text.matchAll(/\/run\/user\/(\d+)/g)].some(([, uid]) => isOurId(Number(uid)))
  return privateDirs || sandboxPlaces.test(text) || text.includes(runDir)
}

/** The same for what tests make too. */
export const namesUs = (text: string, runDir: string): boolean =>
  namesSandbox(text, runDir) || testPlaces.test(text)

/** A cgroup's path: Kata's names for what a sandbox has, and the tests' own. */
export const isOurCgroup = (path: string): boolean =>
  /\/(kata_[^/]+|kata_overhead|vc|kata-ts-[^/]+)(\/|$)/.test(path)

/** An interface: a sandbox's tap, or one of the tests' networks. */
export const isOurLink = (name: string): boolean => /^(tap\d+_kata|kt|katats)/.test(name)

/** Processes of ours other than this one. Without zombies, which not every container host's PID 1 reaps. */
export function ourProcesses(runDir: string): number[] {
  const programs = new Set([executable, shim].map((path) => realpathSync(path)))
  return listPids().filter((pid) => {
    const status = readStatus(`/proc/${pid}/status`)
    if (status === undefined || pid === process.pid || statusHasEnded(status)) return false
    const told = (name: string) => readProc(`/proc/${pid}/${name}`) ?? ''
    return (
      (status.get('Uid') ?? '').split('\t').some((uid) => isOurId(Number(uid))) ||
      programs.has(link(pid, 'exe').replace(/ \(deleted\)$/, '')) ||
      namesSandbox(told('cmdline').replaceAll('\0', ' '), runDir) ||
      told('cgroup').split('\n').some(isOurCgroup) ||
      mapsOurIds(told('uid_map')) ||
      [...['cwd', 'root'], ...descriptors(pid)].some((name) => namesSandbox(link(pid, name), runDir))
    )
  })
}

/** user_namespaces(7): lines of first id inside, first id outside, count. */
const mapsOurIds = (map: string): boolean =>
  map.split('\n').some((line) => {
    const [, outside = '', count = ''] = line.trim().split(/ +/)
    return isOurId(Number(outside)) && count !== ''
  })

function link(pid: number, name: string): string {
  try {
    return readlinkSync(`/proc/${pid}/${name}`)
  } catch {
    // It ended, or is a thread of the kernel's.
    return ''
  }
}

function descriptors(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => `fd/${fd}`)
  } catch {
    return []
  }
}
