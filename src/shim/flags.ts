/**
 * The command line that containerd gives a shim (containerd runtime/v2 README): Go-style flags with one or two
 * dashes, `-name value` or `-name=value`, then one action.
 */
import { KataError } from '../errors.ts'

/** The shim itself calls `serve`, `serve-waiting`, `teardown` and `show-mounts`, and `kata-ts factory serve` calls `wait`. */
const actions = ['start', 'delete', 'serve', 'wait', 'serve-waiting', 'teardown', 'show-mounts'] as const

/** Those that are words, and those that are flags. */
export type ShimAction = (typeof actions)[number] | 'version' | 'info'

export interface ShimFlags {
  readonly action: ShimAction
  readonly namespace: string
  readonly id: string
  /** containerd's socket; empty when the client is the command line, or CRI-O. */
  readonly address: string
  readonly publishBinary: string
  readonly bundle: string
  readonly debug: boolean
  /** Root of our run-time state. Only our command line and tests set it. */
  readonly runDir: string | undefined
  /** The configuration file of a machine that waits; undefined for the one that is found. No client sets it. */
  readonly config?: string | undefined
}

/** Whether our own command line is the client. containerd gives its address, and CRI-O at least its program. */
export const isOwnClient = ({
  address,
  publishBinary,
}: Pick<ShimFlags, 'address' | 'publishBinary'>): boolean => address === '' && publishBinary === ''

const withValue = new Set([
  'namespace',
  'id',
  'address',
  'publish-binary',
  'bundle',
  'socket',
  'run-dir',
  'config',
  // Means nothing, see ../linux/processes/shown-words.ts.
  'room',
])
const switches = new Map<string, ShimAction | 'debug'>([
  ['v', 'version'],
  ['version', 'version'],
  ['info', 'info'],
  ['debug', 'debug'],
])

/** @throws KataError SHIM_USAGE naming the flag. */
export function parseShimFlags(argv: readonly string[]): ShimFlags {
  const values = new Map<string, string>()
  let action: ShimAction | undefined
  let debug = false
  for (let index = 0; index < argv.length; index++) {
    const argument = argv[index]!
    const flag = /^--?([a-z-]+)(?:=(.*))?$/s.exec(argument)
    if (flag === null) {
      action = actions.find((known) => known === argument)
      if (action === undefined) throw usage(`unknown action ${argument}`)
      continue
    }
    const [, name = '', inline] = flag
    const known = switches.get(name)
    if (known === 'debug') debug = inline !== 'false'
    else if (known !== undefined) action = known
    else if (!withValue.has(name)) throw usage(`unknown flag -${name}`)
    else values.set(name, inline ?? argv[++index] ?? missing(name))
  }
  if (action === undefined) throw usage('no action given')
  const required = action === 'version' || action === 'info' ? [] : ['namespace', 'id']
  for (const name of required) if (!values.get(name)) missing(name)
  return {
    action,
    namespace: values.get('namespace') ?? '',
    id: values.get('id') ?? '',
    address: values.get('address') ?? '',
    publishBinary: values.get('publish-binary') ?? '',
    bundle: values.get('bundle') ?? '',
    debug,
    runDir: values.get('run-dir'),
    ...(values.has('config') ? { config: values.get('config') } : {}),
  }
}

const usage = (problem: string): KataError => new KataError('SHIM_USAGE', { problem })
const missing = (name: string): never => {
  throw usage(`flag -${name} needs a value`)
}
