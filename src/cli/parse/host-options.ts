/** Options of `run` about the host's processors, memory and scores, annotations, and lines of /etc/resolv.conf, in docker's words. */
import { type Cpuset, hostCpuset, parseCpuList } from '../../cgroups/cpuset.ts'
import { KataError } from '../../errors.ts'
import { parseSize } from './size.ts'

export interface HostFlags {
  readonly groupAdd?: readonly string[]
  readonly cpusetCpus?: string
  readonly cpusetMems?: string
  readonly memorySwap?: string
  readonly oomScoreAdj?: string
  readonly annotation?: readonly string[]
  readonly dnsSearch?: readonly string[]
  readonly dnsOption?: readonly string[]
}

export interface HostOptions {
  /** Processors and memory nodes of the host; empty: any. */
  readonly cpus: string
  readonly mems: string
  readonly oomScoreAdj: number | undefined
  readonly annotations: Readonly<Record<string, string>>
  /** Lines of /etc/resolv.conf. */
  readonly resolver: readonly string[]
}

/** `memory` is the value of `--memory`. @throws KataError OPTION_INVALID, OPTION_CONFLICT, CPUSET_INVALID. */
export function parseHostOptions(
  flags: HostFlags,
  memory: string | undefined,
  host: () => Cpuset = hostCpuset,
): HostOptions {
  const { cpusetCpus = '', cpusetMems = '', memorySwap, oomScoreAdj } = flags
  if (cpusetCpus !== '') requireThere(cpusetCpus, host().cpus)
  if (cpusetMems !== '') requireThere(cpusetMems, host().mems)
  if (memorySwap !== undefined) checkSwap(memorySwap, memory)
  const search = (flags.dnsSearch ?? []).map((domain) => word(domain, '--dns-search', /^[A-Za-z0-9._-]+$/))
  const options = (flags.dnsOption ?? []).map((option) => word(option, '--dns-option', /^[a-z0-9-]+(:\d+)?$/))
  return {
    cpus: cpusetCpus,
    mems: cpusetMems,
    oomScoreAdj: oomScoreAdj === undefined ? undefined : parseScore(oomScoreAdj),
    annotations: Object.fromEntries((flags.annotation ?? []).map(parseAnnotation)),
    resolver: [
      ...(search.length === 0 ? [] : [`search ${search.join(' ')}`]),
      ...(options.length === 0 ? [] : [`options ${options.join(' ')}`]),
    ],
  }
}

/** The shim could only warn: a pod's list comes from its kubelet. */
function requireThere(list: string, there: readonly number[]): void {
  if (!parseCpuList(list).every((number) => there.includes(number)))
    throw new KataError('CPUSET_INVALID', { list })
}

/** A machine has no swap, so memory and swap together are as much as the memory, whatever is allowed. */
function checkSwap(text: string, memory: string | undefined): void {
  // 0 was not asked for, as with docker.
  if (text === '-1' || text === '0') return
  const bytes = parseSize(text, '--memory-swap')
  // No limit, by docker's 0, too.
  if (memory === undefined || memory === '0' || bytes < parseSize(memory, '--memory'))
    throw new KataError('OPTION_CONFLICT', {
      options: `--memory-swap ${text} and ${memory === undefined ? 'no --memory' : `--memory ${memory}`}`,
      reason: 'it is the limit of memory and swap together',
      remedy: 'Give --memory a size that is not greater.',
    })
}

function parseScore(text: string): number {
  const score = /^-?\d{1,4}$/.test(text) ? Number(text) : Number.NaN
  if (score >= 0 && score <= 1000) return score
  throw new KataError('OPTION_INVALID', {
    option: '--oom-score-adj',
    value: text,
    allowed: 'a whole number from 0 to 1000; no container is spared at the cost of the host',
  })
}

function parseAnnotation(text: string): [name: string, value: string] {
  const equals = text.indexOf('=')
  if (equals <= 0)
    throw new KataError('OPTION_INVALID', { option: '--annotation', value: text, allowed: 'KEY=VALUE' })
  return [text.slice(0, equals), text.slice(equals + 1)]
}

function word(text: string, option: string, pattern: RegExp): string {
  if (!pattern.test(text))
    throw new KataError('OPTION_INVALID', {
      option,
      value: text,
      allowed: option === '--dns-search' ? 'a domain such as example.org' : 'an option such as ndots:2',
    })
  return text
}
