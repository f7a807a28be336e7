/** Programs that only `kata-ts run` needs: without them it has no network to give, or no image by its name. */
import { type Check, type CheckContext, type Outcome, ok, warning } from './check.ts'

interface Purpose {
  readonly check: string
  /** Programs by the package of Debian's that has them. */
  readonly programs: Readonly<Record<string, string>>
  /** What does not work without them. */
  readonly lost: string
  /** What is in the way on a host that has the programs. */
  readonly obstacle?: (context: CheckContext) => Outcome | undefined
}

/** Settings of kernels by which only root may make a user namespace, or have rights in one. pasta makes one, and is not root. */
const closedSettings = [
  { name: 'user.max_user_namespaces', closed: '0', open: '15000' },
  { name: 'kernel.unprivileged_userns_clone', closed: '0', open: '1' },
  { name: 'kernel.apparmor_restrict_unprivileged_userns', closed: '1', open: '0' },
]

const onlyWithoutNetwork = '`run` works only with --network none or ns:PATH'

const closedNamespaces = ({ host }: CheckContext): Outcome | undefined => {
  const textOf = (name: string) => host.readText(`/proc/sys/${name.replace('.', '/')}`)?.trim()
  const setting = closedSettings.find(({ name, closed }) => textOf(name) === closed)
  return (
    setting &&
    warning(
      `${setting.name} is ${setting.closed}, so pasta, which is not root, has no user namespace. Without: ${onlyWithoutNetwork}`,
      `Run \`sysctl -w ${setting.name}=${setting.open}\`, and write it into /etc/sysctl.d to keep it.`,
    )
  )
}

const purposes: readonly Purpose[] = [
  {
    check: 'container-network',
    programs: { pasta: 'passt', nft: 'nftables', ip: 'iproute2' },
    lost: `${onlyWithoutNetwork}; under Docker, names on user-defined networks need nft`,
    obstacle: closedNamespaces,
  },
  {
    check: 'registries',
    programs: { skopeo: 'skopeo' },
    lost: 'images are not pulled; `run` takes --image FILE, --rootfs DIR and images that are stored already',
  },
]

const checkOf = ({ check: name, programs, lost, obstacle }: Purpose): Check => ({
  name,
  run: (context) => {
    const missing = Object.keys(programs).filter((program) => context.host.findTool(program) === undefined)
    if (missing.length === 0) return obstacle?.(context) ?? ok(Object.keys(programs).join(', '))
    const packages = missing.map((program) => programs[program]).join(' ')
    return warning(
      `not found: ${missing.join(', ')}. Without: ${lost}`,
      `Run \`apt-get install ${packages}\`.`,
    )
  },
})

export const networkChecks: readonly Check[] = purposes.map(checkOf)
