/** Names of containers and namespaces: containerd's rule, which docker's names satisfy too in practice. */
import { KataError } from '../../errors.ts'

const pattern = /^[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*$/
const maxLength = 76

export function isName(name: string): boolean {
  return name.length <= maxLength && pattern.test(name)
}

/** Returns `name` if it may name a container or namespace (`what`). @throws KataError NAME_INVALID. */
export function checkName(
  name: string,
  what: 'container' | 'namespace' | 'exec' | 'volume' | 'network' | 'snapshot',
): string {
  if (!isName(name)) throw new KataError('NAME_INVALID', { what, name: name.slice(0, 100), limit: maxLength })
  return name
}

const qualities =
  'amber bold brisk calm clear crisp deft eager fair fleet fond frank glad hardy jolly keen kind light lucid merry neat noble plain quick quiet ready sharp sound spry sunny swift warm'
const creatures =
  'badger bee crane crow deer dove eagle falcon finch fox gull hare hawk heron ibis jay kite lark lynx mole newt otter owl plover quail raven robin seal stoat swan tern wren'

/** A random name such as `calm-otter-3fa9`; creating the record decides whether it is unique. */
export function generateName(): string {
  const [a = 0, b = 0, c = 0, d = 0] = crypto.getRandomValues(new Uint8Array(4))
  const pick = (words: string, byte: number) => words.split(' ')[byte % 32]!
  return `${pick(qualities, a)}-${pick(creatures, b)}-${((c << 8) | d).toString(16).padStart(4, '0')}`
}
