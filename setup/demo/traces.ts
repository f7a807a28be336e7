/** Everything that a sandbox takes on the host, each with a way to see whether it is there. */
import { existsSync, readFileSync, readlinkSync } from 'node:fs'
import { recordPaths } from '../../src/cli/client/record.ts'
import { defaultStateDir } from '../../src/cli/settings.ts'
import {
  isAlive,
  listPids,
  type ProcessRef,
  processesOfUid,
  processRef,
  readProc,
} from '../../src/linux/processes/proc.ts'
import type { SandboxFacts } from '../../src/sandbox/records/facts.ts'
import { defaultRunDir, sandboxPaths, shimSocketPath } from '../../src/sandbox/records/paths.ts'

export interface Trace {
  /** As a person reads it after the end: "process ... is gone". */
  readonly name: string
  readonly isThere: () => boolean
}

/** To be called while the sandbox runs: remembers what will be looked for. */
export function tracesOf(facts: SandboxFacts): Trace[] {
  const { id, namespace, user, uid, account, privateDir } = facts
  const paths = sandboxPaths(defaultRunDir, namespace, id)
  const record = recordPaths(defaultStateDir, namespace, id).directory
  const processes = [facts.vmmPid, ...facts.virtiofsdPids, facts.shimPid].map((pid) => processRef(pid))
  const [vmm, ...others] = processes.filter((ref): ref is ProcessRef => ref !== undefined)
  const namespaces = ownNamespaces(facts.vmmPid)
  const block = `${defaultRunDir}/uids/${user.replace('kata-', '')}`
  return [
    ...(account === 'useradd'
      ? [
          {
            name: `account ${user} in /etc/passwd, shadow, group and gshadow`,
            isThere: () => accountFiles.some((file) => hasLine(file, user)),
          },
        ]
      : []),
    { name: `private directory ${privateDir}`, isThere: () => existsSync(privateDir) },
    { name: `QEMU, process ${facts.vmmPid}`, isThere: () => vmm !== undefined && isAlive(vmm) },
    { name: `every other process of uid ${uid}`, isThere: () => processesOfUid(uid).length > 0 },
    {
      name: `virtiofsd and shim, processes ${others.map(({ pid }) => pid).join(', ')}`,
      isThere: () => others.some(isAlive),
    },
    {
      name: `the ${namespaces.length} namespaces of QEMU`,
      isThere: () => namespaces.some((link) => namespaceIsHeld(link)),
    },
    {
      name: 'mounts of the sandbox, in whichever mount namespace',
      isThere: () => isMountedSomewhere([paths.stateDir, record, privateDir]),
    },
    { name: `state directory ${paths.stateDir}`, isThere: () => existsSync(paths.stateDir) },
    { name: `uid reservation ${block}`, isThere: () => existsSync(block) },
    {
      name: 'socket of the shim',
      isThere: () => existsSync(shimSocketPath(defaultRunDir, namespace, id)),
    },
    { name: `container record ${record}`, isThere: () => existsSync(record) },
  ]
}

const accountFiles = ['/etc/passwd', '/etc/shadow', '/etc/group', '/etc/gshadow']

function hasLine(file: string, name: string): boolean {
  return readFileSync(file, 'utf8')
    .split('\n')
    .some((line) => line.startsWith(`${name}:`))
}

const kinds = ['mnt', 'ipc', 'uts', 'net', 'pid', 'user', 'cgroup'] as const

/** Those that are not also ours. */
function ownNamespaces(pid: number): string[] {
  return kinds
    .map((kind) => namespaceOf(pid, kind))
    .filter((link, i) => link !== '' && link !== namespaceOf('self', kinds[i]!))
}

function namespaceOf(pid: number | 'self', kind: string): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/${kind}`)
  } catch {
    return ''
  }
}

function namespaceIsHeld(link: string): boolean {
  const kind = link.split(':')[0]!
  return listPids().some((pid) => namespaceOf(pid, kind) === link)
}

/** In the mount namespace of whichever process: the shim mounts in one of its own. */
function isMountedSomewhere(directories: readonly string[]): boolean {
  return listPids().some((pid) => {
    const table = readProc(`/proc/${pid}/mountinfo`) ?? ''
    return directories.some((directory) => table.includes(` ${directory}/`))
  })
}
