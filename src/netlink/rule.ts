/** Rules that choose the table of routes (rtnetlink(7), struct fib_rule_hdr). */
import { structure } from './bytes.ts'
import type { NetlinkClient } from './client.ts'
import { tolerate } from './error.ts'
import { family } from './ip.ts'
import { numberOf, splitBody } from './message.ts'
import { routeProtocol } from './route.ts'

const getRules = 34
const infoBytes = 12
const attributeOf = { priority: 6, table: 15, protocol: 21 } as const

export interface Rule {
  /** The lower one is asked first. */
  readonly priority: number
  /** 0: none. */
  readonly table: number
}

/** Those of both families that the kernel did not make; none on a kernel without rules (CONFIG_FIB_RULES). */
export function listRules(client: NetlinkClient): Rule[] {
  let bodies: readonly Uint8Array[] = []
  tolerate(['EOPNOTSUPP'], () => {
    bodies = client.dump(
      'list rules',
      getRules,
      structure(infoBytes, () => {}),
    )
  })
  return bodies.flatMap(parseRule)
}

export function parseRule(body: Uint8Array): Rule[] {
  const { head, attributes } = splitBody(body, infoBytes)
  const of = head.getUint8(0)
  if (of !== family.ipv4 && of !== family.ipv6) return []
  // One byte.
  if (attributes.get(attributeOf.protocol)?.[0] === routeProtocol.kernel) return []
  const table = numberOf(attributes, attributeOf.table) || head.getUint8(4)
  return [{ priority: numberOf(attributes, attributeOf.priority), table }]
}
