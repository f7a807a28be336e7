/** An SMB server for the tests that mount a share: Debian's Samba, unpacked below build/. Installed, it would serve this host's network. */
import { join } from 'node:path'
import { buildDir } from '../paths.ts'
import { unpackOnce } from './unpack.ts'

export const sambaDir = join(buildDir, 'samba')
const server = 'usr/sbin/smbd'
export const smbdPath = join(sambaDir, server)
const libraries = join(sambaDir, 'usr/lib/x86_64-linux-gnu')
/** Where its programs find their libraries. */
export const sambaLibraries = [libraries, join(libraries, 'samba')].join(':')

/** The server, what makes its users, and the libraries of both that not every Debian has. */
const packages = [
  ...[
    'samba',
    'samba-common-bin',
    'samba-libs',
    'libwbclient0',
    'libldb2',
    'liblmdb0',
    'libtalloc2',
    'libtdb1',
  ],
  ...[
    'libtevent0t64',
    'libpopt0',
    'libbsd0',
    'libmd0',
    'libavahi-client3',
    'libavahi-common3',
    'libdbus-1-3',
  ],
  ...['libtirpc3t64', 'libgssapi-krb5-2', 'libkrb5-3', 'libk5crypto3', 'libkrb5support0', 'libkeyutils1'],
  ...['libldap2', 'libsasl2-2', 'libicu76', 'libjansson4', 'libcups2t64', 'liburing2'],
]

/**
 * Fetches it unless it is there.
 *
 * @throws KataError IMAGE_PACKAGE_UNKNOWN, IMAGE_PACKAGES_UNREACHABLE, IMAGE_DISK_FULL, IMAGE_TOOL_*.
 */
export const provideSamba = (): Promise<void> => unpackOnce(packages, sambaDir, server)
