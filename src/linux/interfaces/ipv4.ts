/** What this host has of IPv4. */
import { existsSync, readFileSync } from 'node:fs'

const table = '/proc/self/net/route'

/** Whether it leads anywhere by an interface, which is when pasta(1) carries it. */
export const hasIpv4Route = (): boolean => existsSync(table) && leadsSomewhere(readFileSync(table, 'utf8'))

/** Pure; of /proc/net/route. What is refused is a route of no interface. */
export const leadsSomewhere = (routes: string): boolean =>
  routes
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t')[0]!.trim())
    .some((device) => device !== '' && device !== '*' && device !== 'lo')
