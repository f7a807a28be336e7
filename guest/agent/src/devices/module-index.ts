/** The index of the module archive (src/guest-image/modules/archive.ts has its form). Pure: tested on the host. */

/** `kata-ts-modules 1 0000081260` and the end of the line. */
export const headerLength = 29

export interface ModulePart {
  readonly name: string
  /** From the archive's beginning, in bytes. */
  readonly offset: number
  readonly size: number
}

/** What the kernel asks for, if it has started the program for that: `-q -- NAME` (kernel/module/kmod.c). */
export function requestedModule([, ...args]: readonly string[]): string | undefined {
  const [quiet, end, name] = args
  return args.length === 3 && quiet === '-q' && end === '--' ? name : undefined
}

/** How long the index is, from the archive's first line. @throws Error when it is of another form. */
export function indexLength(header: string): number {
  const digits = /^kata-ts-modules 1 (\d{10})\n$/.exec(header)?.[1]
  if (digits === undefined) throw new Error('the archive of kernel modules is of another form')
  return Number(digits)
}

/**
 * The modules that the kernel means by a name or an alias; none for what is not listed. The request is only ever compared: a
 * container may have chosen most of it.
 */
export function resolveModules(index: string, request: string): string[] {
  const name = request.replaceAll('-', '_')
  // Nothing else is a word of the index; a blank or the end of a line would look into the next word.
  if (!/^[!-~]{1,64}$/.test(name)) return []
  if (lineOf(index, 'm', name) !== undefined) return [name]
  return lineOf(index, 'a', name)?.slice(2) ?? patternsFor(index, name)
}

/** What to load for a module, in that order, itself last; undefined for one that is not there. */
export function loadPlan(index: string, name: string): ModulePart[] | undefined {
  const start = headerLength + index.length
  const part = (name: string): ModulePart | undefined => {
    const [, , offset, size] = lineOf(index, 'm', name) ?? lineOf(index, 'd', name) ?? []
    return offset === undefined ? undefined : { name, offset: start + Number(offset), size: Number(size) }
  }
  return lineOf(index, 'm', name)
    ?.slice(4)
    .map(part)
    .filter((part) => part !== undefined)
}

/** The words of the line of that kind whose second word is `key`. */
function lineOf(index: string, kind: 'm' | 'd' | 'a', key: string): string[] | undefined {
  const begin = `${kind} ${key} `
  const at = index.startsWith(begin) ? 0 : index.indexOf(`\n${begin}`) + 1
  if (at === 0 && !index.startsWith(begin)) return undefined
  return index.slice(at, index.indexOf('\n', at)).split(' ')
}

function patternsFor(index: string, name: string): string[] {
  const found = index
    .split('\n')
    .filter((line) => line.startsWith('p '))
    .map((line) => line.split(' '))
    .filter(([, pattern]) => matches(pattern!.split('*'), name))
    .flatMap(([, , ...modules]) => modules)
  return [...new Set(found)]
}

/** Whether the text has the parts in their order, from its first to its last character. Takes each as early as it comes. */
function matches(parts: readonly string[], text: string): boolean {
  const [first = '', ...others] = parts
  const last = others.pop()
  if (last === undefined) return text === first
  if (!text.startsWith(first)) return false
  let at = first.length
  for (const part of others) {
    const found = text.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return text.length - last.length >= at && text.endsWith(last)
}
