/** Programs that only `kata-ts run` needs: without them it has no network to give, or no image by its name. */
import { type Check, ok, warning } from './check.ts'

interface Purpose {
  readonly check: string
  /** Programs by the package of Debian's that has them. */
  readonly programs: Readonly<Record<string, string>>
  /** What does not work without them. */
  readonly lost: string
}

const purposes: readonly Purpose[] = [
  {
    check: 'container-network',
    programs: { pasta: 'passt', nft: 'nftables', ip: 'iproute2' },
    lost: '`run` works only with --network none or ns:PATH; under Docker, names on user-defined networks need nft',
  },
  {
    check: 'registries',
    programs: { skopeo: 'skopeo' },
    lost: 'images are not pulled; `run` takes --image FILE, --rootfs DIR and images that are stored already',
  },
]

const checkOf = ({ check: name, programs, lost }: Purpose): Check => ({
  name,
  run: ({ host }) => {
    const missing = Object.keys(programs).filter((program) => host.findTool(program) === undefined)
    if (missing.length === 0) return ok(Object.keys(programs).join(', '))
    const packages = missing.map((program) => programs[program]).join(' ')
    return warning(
      `not found: ${missing.join(', ')}. Without: ${lost}`,
      `Run \`apt-get install ${packages}\`.`,
    )
  },
})

export const networkChecks: readonly Check[] = purposes.map(checkOf)
