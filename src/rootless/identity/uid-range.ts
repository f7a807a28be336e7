/**
 * The ids reserved for confined processes: a block of 65536 per sandbox. The first 65535 of a block are for a user
 * namespace of its file server, the last one is the VMM's uid and gid.
 *
 * The default base 0x70000000 is the first id that https://systemd.io/UIDS-GIDS/ leaves unassigned (containers end at
 * 1879048191); 4091 blocks end before the next reserved range.
 */
import { readFileSync } from 'node:fs'
import { unassignedEnd } from '../../config/unassigned-ids.ts'
import { KataError } from '../../errors.ts'
import type { IdRange } from '../../linux/processes/user-namespace.ts'

export const blockSize = 65536

/** GECOS field of every account we make; Kata's own text, by which people and tools find them. */
export const accountComment = 'Kata Containers temporary hypervisor user'

export interface UidRange {
  readonly base: number
  readonly blocks: number
}

/** One sandbox's ids. */
export interface UidBlock {
  readonly k: number
  /** `kata-<k>`. */
  readonly name: string
  readonly first: number
  /** The last id: uid and gid of the VMM. */
  readonly uid: number
}

/** Block number `k` of the range. */
export function uidBlock({ base }: UidRange, k: number): UidBlock {
  const first = base + k * blockSize
  return { k, name: `kata-${k}`, first, uid: first + blockSize - 1 }
}

/** The ids of a block that are for a user namespace: all but the VMM's. */
export function helperIds({ first, uid }: UidBlock): IdRange {
  return { first, count: uid - first }
}

/** The block whose VMM has this uid, if it is of the range. */
export function blockOfUid(range: UidRange, uid: number): UidBlock | undefined {
  const k = (uid - range.base - (blockSize - 1)) / blockSize
  return Number.isInteger(k) && k >= 0 && k < range.blocks ? uidBlock(range, k) : undefined
}

const lastId = (range: UidRange): number => uidBlock(range, range.blocks - 1).uid

/**
 * Checks that no ids of the range are assigned to anyone else.
 *
 * @throws KataError UID_RANGE_INVALID, or UID_RANGE_OVERLAP naming the line of passwd, group, subuid or subgid.
 */
export function checkUidRange(range: UidRange, etc = '/etc'): void {
  const { base, blocks } = range
  const whole = Number.isInteger(base) && Number.isInteger(blocks) && base % blockSize === 0
  if (!whole || base < blockSize || blocks < 1 || lastId(range) >= unassignedEnd)
    throw new KataError('UID_RANGE_INVALID', { base, blocks })
  const foreign = idLines(etc, base, lastId(range)).find(({ file, fields }) => !isOurs(range, file, fields))
  if (foreign !== undefined)
    throw new KataError('UID_RANGE_OVERLAP', { ...location(foreign, etc), first: base, last: lastId(range) })
}

/**
 * Checks that no id from 2^31 on is assigned: to unprivileged file servers those are users and groups without a
 * place in a block. A directory that has subordinate ids cannot be asked for all of them. FreeIPA gives those from 2^31 on.
 *
 * @throws KataError UPPER_IDS_TAKEN naming the line of passwd, group, subuid, subgid or nsswitch.conf.
 */
export function checkUpperIds(etc = '/etc'): void {
  const line = idLines(etc, 2 ** 31, 2 ** 32 - 1)[0] ?? subordinateService(etc)
  if (line !== undefined) throw new KataError('UPPER_IDS_TAKEN', location(line, etc))
}

/** The line of nsswitch.conf(5) by which subordinate ids come from elsewhere than files. */
function subordinateService(etc: string): NamedLine | undefined {
  const file = 'nsswitch.conf'
  const lines = readLines(`${etc}/${file}`).map((text, index) => ({ file, line: index + 1, text }))
  return lines.find(({ text }) => {
    // What stands in brackets says what to do with an answer.
    const services =
      /^\s*subid\s*:([^#]*)/
        .exec(text)?.[1]
        ?.replace(/\[[^\]]*\]/g, ' ')
        .split(/\s+/) ?? []
    return services.some((service) => service !== '' && service !== 'files')
  })
}

interface NamedLine {
  readonly file: string
  readonly line: number
  readonly text: string
}

interface IdLine extends NamedLine {
  readonly fields: readonly string[]
}

/** The lines of passwd, group, subuid and subgid that assign an id from `first` to `last`. */
function idLines(etc: string, first: number, last: number): IdLine[] {
  return ['passwd', 'group', 'subuid', 'subgid'].flatMap((file) =>
    readLines(`${etc}/${file}`).flatMap((text, index) => {
      const fields = text.split(':')
      const start = Number(file.startsWith('sub') ? fields[1] : fields[2])
      const end = file.startsWith('sub') ? start + Number(fields[2]) - 1 : start
      return start <= last && end >= first ? [{ file, line: index + 1, text, fields }] : []
    }),
  )
}

const location = ({ file, line, text }: NamedLine, etc: string) => ({
  file: `${etc}/${file}`,
  line,
  text: text.slice(0, 120),
})

/** Whether a split line of passwd or group is an account that we made: name, id and, in passwd, comment agree. */
export function isOurs(range: UidRange, file: string, fields: readonly string[]): boolean {
  const block = blockOfUid(range, Number(fields[2]))
  if (block === undefined || fields[0] !== block.name) return false
  return file === 'group' || (file === 'passwd' && fields[4] === accountComment)
}

/** Lines of a file, none when it does not exist. */
export function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
