/** What this host has of IPv6. */
import { existsSync, readFileSync } from 'node:fs'

const textOf = (name: string): string => {
  const path = `/proc/self/net/${name}`
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

/** False where the kernel has none (ipv6.disable=1) and where the administrator took it from every interface, loopback too. */
export const hasIpv6 = (): boolean => textOf('if_inet6') !== ''

/** Whether it leads anywhere by an interface, which is when pasta(1) carries it, too. */
export const hasIpv6Route = (): boolean => hasIpv6() && leadsSomewhere(textOf('ipv6_route'))

/** Pure; of /proc/net/ipv6_route. Links reach their own link and groups without anybody's doing. */
export const leadsSomewhere = (routes: string): boolean =>
  routes.split('\n').some((line) => {
    const [destination = '', ...rest] = line.trim().split(/\s+/)
    return rest.length > 0 && rest.at(-1) !== 'lo' && !/^(fe[89ab]|ff)/.test(destination)
  })
