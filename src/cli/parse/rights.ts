/** Options of `run` that give a container more or fewer rights, in docker's words. */
import { posix } from 'node:path'
import { KataError } from '../../errors.ts'
import { allCapabilities } from '../../oci/defaults/capabilities.ts'
import { capabilitiesOf, type Rights, type Rlimit, type TmpfsMount } from '../../oci/defaults/spec-rights.ts'
import { readSeccompProfile } from './seccomp.ts'
import { parseSize } from './size.ts'

export interface RightsFlags {
  readonly privileged?: true
  readonly capAdd?: readonly string[]
  readonly capDrop?: readonly string[]
  readonly securityOpt?: readonly string[]
  readonly sysctl?: readonly string[]
  readonly ulimit?: readonly string[]
  readonly tmpfs?: readonly string[]
  readonly shmSize?: string
}

const noNewPrivileges = /^no-new-privileges(?:[:=](?:true|false))?$/

/** @throws KataError OPTION_INVALID naming option, value and what is allowed; OPTION_CONFLICT; SECCOMP_PROFILE. */
export function parseRights(flags: RightsFlags): Rights {
  const options = flags.securityOpt ?? []
  for (const option of options)
    if (!/^seccomp=.+$/.test(option) && !noNewPrivileges.test(option))
      throw refuse(
        '--security-opt',
        option,
        'seccomp=FILE, seccomp=unconfined, no-new-privileges[=true|false]',
      )
  const seccomp = options.findLast((option) => option.startsWith('seccomp='))?.slice('seccomp='.length)
  const noNew = options.findLast((option) => noNewPrivileges.test(option))
  if (flags.privileged === true && flags.capDrop !== undefined)
    throw new KataError('OPTION_CONFLICT', {
      options: '--privileged and --cap-drop',
      reason: 'a privileged container has all capabilities',
      remedy: 'Give the capabilities that it needs by --cap-add, without --privileged.',
    })
  const capabilities = {
    privileged: flags.privileged === true,
    addCapabilities: (flags.capAdd ?? []).map((name) => parseCapability(name, '--cap-add')),
    dropCapabilities: (flags.capDrop ?? []).map((name) => parseCapability(name, '--cap-drop')),
  }
  const { shmSize } = flags
  const isFile = seccomp !== undefined && seccomp !== 'unconfined'
  return {
    ...capabilities,
    seccomp: isFile ? readSeccompProfile(seccomp, capabilitiesOf(capabilities)) : seccomp,
    noNewPrivileges: noNew !== undefined && !noNew.endsWith('false'),
    sysctls: Object.fromEntries((flags.sysctl ?? []).map(parseSysctl)),
    rlimits: (flags.ulimit ?? []).map(parseUlimit),
    tmpfs: (flags.tmpfs ?? []).map(parseTmpfs),
    // Docker's 0 is its default.
    shmBytes: shmSize === undefined || shmSize === '0' ? undefined : parseSize(shmSize, '--shm-size'),
  }
}

function refuse(option: string, value: string, allowed: string): KataError {
  return new KataError('OPTION_INVALID', { option, value, allowed })
}

function parseCapability(text: string, option: string): string {
  const name = text.toUpperCase()
  const full = name.startsWith('CAP_') ? name : `CAP_${name}`
  if (name === 'ALL') return name
  if (!allCapabilities.includes(full))
    throw refuse(option, text, 'ALL, or a name of capabilities(7) such as NET_ADMIN')
  return full
}

function parseSysctl(text: string): [name: string, value: string] {
  const equals = text.indexOf('=')
  if (equals <= 0 || !/^[A-Za-z0-9_./:-]+$/.test(text.slice(0, equals)))
    throw refuse('--sysctl', text, 'NAME=VALUE such as net.core.somaxconn=1024')
  return [text.slice(0, equals), text.slice(equals + 1)]
}

const limits =
  'core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(' ')
/** RLIM_INFINITY; written as JSON it is read back as the largest value. */
const infinity = 2 ** 64
/** No kernel gives a process more open files than its `fs.nr_open`, which can be no higher (fs/file.c): `unlimited` is an error of setrlimit(2). */
const mostFiles = 2_147_483_584

function parseUlimit(text: string): Rlimit {
  const [, name = '', soft = '', hard = soft] =
    /^([a-z]+)=(-1|\d+|unlimited)(?::(-1|\d+|unlimited))?$/.exec(text) ?? []
  const value = (word: string) => (word === '-1' || word === 'unlimited' ? infinity : Number(word))
  if (!limits.includes(name) || value(soft) > value(hard) || value(hard) > infinity)
    throw refuse('--ulimit', text, `NAME=SOFT[:HARD] such as nofile=1024:4096; names: ${limits.join(', ')}`)
  if (name === 'nofile' && value(hard) > mostFiles)
    throw refuse(
      '--ulimit',
      text,
      'a number for nofile, such as nofile=1048576: no kernel takes more than its fs.nr_open',
    )
  return { type: `RLIMIT_${name.toUpperCase()}`, soft: value(soft), hard: value(hard) }
}

const tmpfsOption =
  /^(rw|ro|defaults|(no)?(suid|dev|exec|atime|diratime|relatime)|(size|nr_blocks|nr_inodes)=\d+[kmgKMG%]?|mode=0?[0-7]{3,4}|[ug]id=\d+)$/

/** @throws KataError OPTION_INVALID. */
export function parseTmpfs(text: string): TmpfsMount {
  const colon = text.indexOf(':')
  const path = colon < 0 ? text : text.slice(0, colon)
  const options = colon < 0 ? [] : text.slice(colon + 1).split(',')
  if (
    !path.startsWith('/') ||
    posix.normalize(path) === '/' ||
    !options.every((option) => tmpfsOption.test(option))
  )
    throw refuse('--tmpfs', text, '/PATH or /PATH:size=64m,mode=1777,uid=0,gid=0,ro,exec,suid,dev')
  const destination = posix.normalize(path).replace(/\/$/, '')
  if (destination === '/dev')
    throw refuse('--tmpfs', text, 'a path below /dev; on /dev, it would hide the devices of the container')
  return { destination, options }
}
