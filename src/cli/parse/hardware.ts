/** `--mac-address` and `--network-alias`: how a container is known on its network. */
import { KataError } from '../../errors.ts'

/** In lower case. @throws KataError OPTION_INVALID. */
export function parseMac(text: string): string {
  const mac = text.toLowerCase().replaceAll('-', ':')
  const isMulticast = (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1
  if (/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac) && !isMulticast && !/^[0:]+$/.test(mac)) return mac
  throw new KataError('OPTION_INVALID', {
    option: '--mac-address',
    value: text,
    allowed: 'the hardware address of one card, such as 02:42:0a:59:00:07',
  })
}

/** A name that a resolver can ask for. @throws KataError OPTION_INVALID. */
export function parseAlias(text: string): string {
  const label = '[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?'
  if (text.length <= 253 && new RegExp(`^(${label}\\.)*${label}$`).test(text)) return text
  throw new KataError('OPTION_INVALID', {
    option: '--network-alias',
    value: text,
    allowed: 'a host name such as db',
  })
}
