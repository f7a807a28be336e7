/** Links that have to be there: whoever looks for one has made it a moment ago, or was told that it is made. */
import type { NetlinkClient } from '../netlink/client.ts'
import { NetlinkError } from '../netlink/error.ts'
import { type Link, linkFlag, listLinks } from '../netlink/link.ts'

const ENODEV = 19

/** @throws NetlinkError ENODEV when it is gone: others may remove links, and their namespaces, at any moment. */
export function linkNamed(client: NetlinkClient, wanted: string): Link {
  return there(
    listLinks(client).find(({ name }) => name === wanted),
    wanted,
  )
}

/** The link of localhost. @throws as {@link linkNamed}. */
export function loopbackLink(client: NetlinkClient): Link {
  return there(
    listLinks(client).find(({ flags }) => (flags & linkFlag.loopback) !== 0),
    'lo',
  )
}

function there(link: Link | undefined, name: string): Link {
  if (link === undefined) throw new NetlinkError(`look for ${name}`, ENODEV, 'there is no such link')
  return link
}
