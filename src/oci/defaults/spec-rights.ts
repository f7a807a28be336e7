/** What a person gives to, or takes from, the container of {@link defaultSpec}. */
import { allCapabilities, defaultCapabilities } from './capabilities.ts'
import { defaultSeccomp, type SeccompProfile } from './default-seccomp.ts'
import { type defaultSpec, isSystemMount } from './default-spec.ts'
import { usualSysctls } from './usual-sysctls.ts'

export interface Rights {
  /** Every capability and device of the guest, no seccomp, nothing masked. Nothing of the host. */
  readonly privileged: boolean
  /** Names such as CAP_CHOWN. */
  readonly addCapabilities: readonly string[]
  readonly dropCapabilities: readonly string[]
  /** A profile of one's own, or none at all; undefined: the default one. */
  readonly seccomp?: SeccompProfile | 'unconfined' | undefined
  readonly noNewPrivileges: boolean
  readonly sysctls: Readonly<Record<string, string>>
  readonly rlimits: readonly Rlimit[]
  readonly tmpfs: readonly TmpfsMount[]
  /** Size of /dev/shm in bytes. */
  readonly shmBytes?: number | undefined
}

export interface Rlimit {
  /** Such as RLIMIT_NOFILE. */
  readonly type: string
  readonly soft: number
  readonly hard: number
}

export interface TmpfsMount {
  readonly destination: string
  readonly options: readonly string[]
}

type Spec = ReturnType<typeof defaultSpec>

/** Pure: the same spec with these rights. */
export function withRights(spec: Spec, rights: Rights) {
  const bounding = capabilitiesOf(rights)
  // Somebody who is not root gets no capabilities, only the right to gain them from files (docker does the same).
  const held = spec.process.user.uid === 0 ? bounding : []
  const limited = new Set(rights.rlimits.map(({ type }) => type))
  const asked = [...spec.mounts.filter((mount) => !isSystemMount(mount)), ...rights.tmpfs.map(tmpfsMount)]
  return {
    ...spec,
    process: {
      ...spec.process,
      capabilities: { bounding, effective: held, permitted: held },
      rlimits: [...spec.process.rlimits.filter(({ type }) => !limited.has(type)), ...rights.rlimits],
      noNewPrivileges: rights.noNewPrivileges,
    },
    mounts: [
      ...spec.mounts.filter(isSystemMount).map((mount) => systemMount(mount, rights)),
      // What is mounted later covers what lies below it, so that a directory comes before those in it, as in docker.
      ...asked.toSorted((a, b) => depthOf(a) - depthOf(b)),
    ],
    linux: { ...confinement(spec, rights, bounding), sysctl: { ...usualSysctls, ...rights.sysctls } },
  }
}

const depthOf = ({ destination }: { readonly destination: string }): number => destination.split('/').length

/** The bounding set. As docker: ALL means all that there are, and what is dropped by name stays dropped. */
export function capabilitiesOf({
  privileged,
  addCapabilities: add,
  dropCapabilities: drop,
}: Pick<Rights, 'privileged' | 'addCapabilities' | 'dropCapabilities'>): readonly string[] {
  if (privileged) return [...allCapabilities]
  const base = add.includes('ALL') ? allCapabilities : drop.includes('ALL') ? [] : defaultCapabilities
  const kept = base.filter((name) => !drop.includes(name))
  const added = add.filter((name) => name !== 'ALL' && !kept.includes(name))
  return [...kept, ...added]
}

/** Without a profile the field is absent: a specification that has one asks for it. */
type Linux = Omit<Spec['linux'], 'seccomp'> & { readonly seccomp?: SeccompProfile }

function confinement(
  { linux }: Spec,
  { privileged, seccomp }: Rights,
  capabilities: readonly string[],
): Linux {
  const { seccomp: _usual, ...unfiltered } = linux
  const profile = seccomp ?? (privileged ? 'unconfined' : defaultSeccomp({ capabilities }))
  const filtered = profile === 'unconfined' ? unfiltered : { ...unfiltered, seccomp: profile }
  if (!privileged) return filtered
  const every = { allow: true, access: 'rwm' }
  const devices = [every, ...linux.devices.map(asked), ...readonlyDisks(linux.resources.devices)]
  return { ...filtered, maskedPaths: [], readonlyPaths: [], resources: { ...linux.resources, devices } }
}

/** Beside a rule for every device a list counts as that of all the host's, in which only what has a rule is a wish. */
function asked({ type, major, minor }: Spec['linux']['devices'][number]) {
  return { allow: true, type, major, minor, access: 'rwm' }
}

/** A disk that was asked for to be read stays so. */
function readonlyDisks(rules: Spec['linux']['resources']['devices']) {
  return rules
    .filter((rule) => 'type' in rule && rule.type === 'b' && !rule.access.includes('w'))
    .map((rule) => ({ ...rule, allow: false, access: 'w' }))
}

/** Only a privileged container may write to the kernel's interfaces. */
function systemMount(mount: Spec['mounts'][number], { privileged, shmBytes }: Rights) {
  const { destination, options } = mount
  if (privileged && destination.startsWith('/sys'))
    return { ...mount, options: options.filter((option) => option !== 'ro') }
  if (destination !== '/dev/shm' || shmBytes === undefined) return mount
  return {
    ...mount,
    options: [...options.filter((option) => !option.startsWith('size=')), `size=${shmBytes}`],
  }
}

export function tmpfsMount({ destination, options }: TmpfsMount) {
  return { destination, type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'noexec', ...options] }
}
